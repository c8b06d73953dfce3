import Checkpoints
import Foundation

/// What a changed model predicts on text that calibration has not seen, beside the model itself in float32.
public struct HeldOutMeasurement: Sendable, Equatable {
    /// Predictions that were compared.
    public private(set) var tokens = 0
    private var divergenceSum = 0.0
    private var logLikelihood = 0.0
    private var referenceLogLikelihood = 0.0

    /// The mean Kullback-Leibler divergence from the unmodified model, in nats; NaN where nothing was compared.
    public var divergence: Double { divergenceSum / Double(tokens) }
    public var perplexity: Double { exp(-logLikelihood / Double(tokens)) }
    /// The unmodified model's perplexity.
    public var referencePerplexity: Double { exp(-referenceLogLikelihood / Double(tokens)) }

    /// Adds sums over some predictions.
    mutating func add(tokens: Int, divergence: Double, logLikelihood: Double, referenceLogLikelihood: Double) {
        self.tokens += tokens
        divergenceSum += divergence
        self.logLikelihood += logLikelihood
        self.referenceLogLikelihood += referenceLogLikelihood
    }
}

extension HeldOutMeasurement {
    /// One line for the terminal.
    var summary: String {
        "on \(tokens) held-out tokens perplexity \(referencePerplexity.rounded(toDecimals: 3)) -> "
            + "\(perplexity.rounded(toDecimals: 3)), divergence \(divergence.significant())"
    }

    /// Names and values for a page.
    var facts: [(String, String)] {
        [
            (
                "perplexity before, in float32",
                "\(referencePerplexity.rounded(toDecimals: 4)) on \(tokens.grouped) held-out tokens"
            ),
            ("perplexity after", perplexity.rounded(toDecimals: 4)),
            ("mean KL divergence", "\(divergence.significant()) nats"),
        ]
    }

    public var json: JSON {
        .members([
            ("tokens", .count(tokens)), ("perplexity", .number(perplexity)),
            ("reference_perplexity", .number(referencePerplexity)), ("kl_mean", .number(divergence)),
        ])
    }
}
