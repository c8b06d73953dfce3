/// Sums over rows of floats, in an order that is the same on every machine.
enum FloatRows {
    /// y += factor * x.
    @inline(__always)
    static func add(
        _ x: UnsafePointer<Float>, times factor: Float, to y: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        let whole = count / 8 * 8
        let factors = SIMD8<Float>(repeating: factor)
        var index = 0
        while index < whole {
            let sum =
                UnsafeRawPointer(y + index).loadUnaligned(as: SIMD8<Float>.self)
                + UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Float>.self) * factors
            UnsafeMutableRawPointer(y + index).storeBytes(of: sum, as: SIMD8<Float>.self)
            index += 8
        }
        while index < count {
            y[index] += factor * x[index]
            index += 1
        }
    }

    /// The sum of x * y.
    @inline(__always)
    static func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int) -> Float {
        let whole = count / 8 * 8
        var lanes = SIMD8<Float>()
        var index = 0
        while index < whole {
            lanes +=
                UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Float>.self)
                * UnsafeRawPointer(y + index).loadUnaligned(as: SIMD8<Float>.self)
            index += 8
        }
        var sum = lanes.sum()
        while index < count {
            sum += x[index] * y[index]
            index += 1
        }
        return sum
    }
}
