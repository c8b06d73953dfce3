import Checkpoints

/// Qwen3: as Llama, with RMSNorm on every query and key head.
struct Qwen3: Family {
    let huggingFaceNames = ["qwen3"]
    let ggufNames = ["qwen3"]

    func model(_ checkpoint: Checkpoint) throws(ModelError) -> Model {
        let settings = try Settings(checkpoint)
        var decoder = try DecoderReader(checkpoint, settings)
        decoder.normalizesHeads = true
        decoder.projectionBiases = try settings.flag("attention_bias") == true ? .all : .asStored
        decoder.windows = try settings.windows(
            layers: decoder.layerCount, slidesByDefault: settings.flag("use_sliding_window") == true)
        return try decoder.model()
    }
}
