import Checkpoints

/// Opens the bytes as a GGUF file and reads all of it.
func fuzzGGUF(_ bytes: UnsafeRawBufferPointer) {
    guard let checkpoint = try? Checkpoint(parsingGGUF: Mapping(copying: bytes, path: "fuzz.gguf")) else { return }
    readTensors(of: checkpoint)
    guard case .gguf(let metadata) = checkpoint.metadata else { return }
    for key in metadata.keys {
        _ = (metadata.string(key), metadata.integer(key), metadata.float(key), metadata.boolean(key))
        _ = (metadata.integers(key), metadata.floats(key), metadata.booleans(key))
        _ = metadata.strings(key)?.map { Array($0) }
    }
}

/// Decodes every tensor that can be read, row by row.
func readTensors(of checkpoint: Checkpoint) {
    for tensor in checkpoint.listing {
        guard let entry = try? checkpoint.tensor(tensor.name) else { continue }
        let width = entry.rowElements
        // A tensor without bytes may claim any number of rows.
        guard entry.byteCount > 0 else { continue }
        var row = [Float](repeating: 0, count: width)
        for index in 0..<entry.rowCount {
            row.withUnsafeMutableBufferPointer { checkpoint.decode(entry, rows: index..<index + 1, into: $0) }
        }
    }
}
