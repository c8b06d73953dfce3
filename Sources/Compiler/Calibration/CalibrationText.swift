import CCalibration

/// Text that calibration runs a model over where the user gives none.
public enum CalibrationText {
    /// About 70 kB of UTF-8, part of the program: prose, dialogue, code, mathematics, tables, letters and other kinds of
    /// text in English, with some French, German, Spanish, Russian and Chinese. Kinds alternate, so that a beginning of
    /// the text is as varied as the whole.
    public static var standard: [UInt8] {
        let text = lathe_calibration_text()
        return Array(UnsafeBufferPointer(start: text.bytes, count: text.count))
    }
}
