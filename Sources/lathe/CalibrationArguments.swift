import ArgumentParser

/// The flags that all that is measured while compiling has in common.
struct CalibrationArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Plain text to calibrate with; built-in text when left out.", valueName: "file"))
    var calibration: String?

    @Option(
        help: ArgumentHelp(
            "A page of what was done, HTML; JSON where the name ends with .json. May be repeated.", valueName: "file"))
    var report: [String] = []

    var isUsed: Bool { calibration != nil || !report.isEmpty }
}
