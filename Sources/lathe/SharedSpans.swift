import ArgumentParser
import Passes

/// Spans of layers, with commas between: A-B, or A for a span of one; or `off` for none.
struct SharedSpans: ExpressibleByArgument {
    let spans: [ShareAttention.Span]

    static let off = SharedSpans(spans: [])

    private init(spans: [ShareAttention.Span]) { self.spans = spans }

    init?(argument: String) {
        guard argument != "off" else {
            self = .off
            return
        }
        var spans: [ShareAttention.Span] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map(SharedSpans.layer)
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last
            else { return nil }
            spans.append(ShareAttention.Span(first...last))
        }
        self.spans = spans
    }

    /// A number of digits alone.
    private static func layer(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
        return Int(text)
    }

    var defaultValueDescription: String { "off" }
}
