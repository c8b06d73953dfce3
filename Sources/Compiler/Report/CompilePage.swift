import Checkpoints

extension CompileReport {
    /// The report as one self-contained HTML page; equal reports give equal text.
    public var html: String {
        var page = HTMLPage(title: "Compile report", subtitle: passes.first ?? "")
        sharing?.add(to: &page)
        linearization?.add(to: &page)
        quantization?.add(to: &page)
        return page.text()
    }

    /// The same facts; null for what was not asked for.
    public var json: JSON {
        .members([
            ("sharing", sharing?.json ?? .null), ("linearization", linearization?.json ?? .null),
            ("quantization", quantization?.json ?? .null),
        ])
    }
}
