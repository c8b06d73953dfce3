import Foundation

/// The bytes of a safetensors file, for tests.
enum SafetensorsImage {
    /// The tensors lie in the order in which they are given.
    static func data(
        _ tensors: [(name: String, type: String, shape: [Int], bytes: Data)], metadata: [String: String] = [:]
    ) throws -> Data {
        var header: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
        var data = Data()
        for tensor in tensors {
            header[tensor.name] = [
                "dtype": tensor.type, "shape": tensor.shape,
                "data_offsets": [data.count, data.count + tensor.bytes.count],
            ]
            data.append(tensor.bytes)
        }
        let text = try JSONSerialization.data(withJSONObject: header)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text + data
    }
}
