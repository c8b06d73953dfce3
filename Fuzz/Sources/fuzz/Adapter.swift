import Checkpoints
import Models

/// Opens the bytes as an adapter, and as masks, and reads all of it.
func fuzzAdapter(_ bytes: UnsafeRawBufferPointer) {
    guard let file = try? AdapterFile(parsing: Mapping(copying: bytes, path: "fuzz.safetensors")) else { return }
    _ = try? Adapter(file).summary
    _ = try? MaskAdapter(file).summary
}
