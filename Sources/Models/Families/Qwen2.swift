import Checkpoints

/// Qwen2 and Qwen2.5: as Llama, with biases on Q, K and V.
struct Qwen2: Family {
    let huggingFaceNames = ["qwen2"]
    let ggufNames = ["qwen2"]

    func model(_ checkpoint: Checkpoint) throws(ModelError) -> Model {
        let settings = try Settings(checkpoint)
        var decoder = try DecoderReader(checkpoint, settings)
        decoder.projectionBiases = .queryKeyValue
        decoder.windows = try settings.windows(
            layers: decoder.layerCount, slidesByDefault: settings.flag("use_sliding_window") == true)
        return try decoder.model()
    }
}
