extension Linear {
    /// Multiplies column k by the k-th factor: as if the k-th input were multiplied by it, whatever the row.
    public mutating func scaleColumns(by factors: [Float]) {
        weight.transforms.append(.columnsScaled(by: factors))
        maskChange?.down.transforms.append(.columnsScaled(by: factors))
    }

    /// Multiplies the r-th output by the r-th factor, whatever the row.
    public mutating func scaleRows(by factors: [Float]) {
        weight.transforms.append(.rowsScaled(by: factors))
        bias?.transforms.append(.rowsScaled(by: factors))
        maskChange?.up.transforms.append(.rowsScaled(by: factors))
    }
}
