import Checkpoints

/// Opens the bytes as a safetensors file and reads all of it.
func fuzzSafetensors(_ bytes: UnsafeRawBufferPointer) {
    let files = HuggingFaceFiles(directory: ".", config: .object(JSONObject([])))
    let mapping = Mapping(copying: bytes, path: "fuzz.safetensors")
    guard let checkpoint = try? Checkpoint(parsingSafetensors: mapping, files: files) else { return }
    readTensors(of: checkpoint)
}
