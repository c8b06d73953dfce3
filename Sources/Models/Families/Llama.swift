import Checkpoints

/// Llama 2 and 3, SmolLM2, TinyLlama and Mistral: grouped-query attention, SwiGLU, RMSNorm, RoPE.
struct Llama: Family {
    let huggingFaceNames = ["llama", "mistral"]
    let ggufNames = ["llama"]

    func model(_ checkpoint: Checkpoint) throws(ModelError) -> Model {
        let settings = try Settings(checkpoint)
        var decoder = try DecoderReader(checkpoint, settings)
        // llama.cpp's converter reorders the rows of Q and K of this architecture for its interleaved rotation.
        decoder.interleavesRotaryRows = settings.isGGUF
        decoder.projectionBiases = try settings.flag("attention_bias") == true ? .all : .asStored
        decoder.feedForwardBiases = try settings.flag("mlp_bias") == true
        decoder.windows = try settings.windows(layers: decoder.layerCount, slidesByDefault: true)
        return try decoder.model()
    }
}
