extension QuantizationReport {
    /// Adds what there is to say to a page.
    func add(to page: inout HTMLPage) {
        page.section("Quantization")
        var facts = [
            ("target", target),
            ("plan", "\(planBytes.grouped) bytes, \(bitsPerWeight.rounded(toDecimals: 3)) bits a weight"),
            ("calibrated on", "\(calibrationTokens.grouped) tokens"),
        ]
        if let measurement { facts += measurement.facts }
        page.facts(facts.map { (name: $0.0, value: $0.1) })
        addSizes(to: &page)
        addErrors(to: &page)
        addTable(to: &page)
    }

    /// Kinds of matrices in the order of the program.
    private var kinds: [String] {
        var kinds: [String] = []
        for matrix in matrices where !kinds.contains(matrix.kind) { kinds.append(matrix.kind) }
        return kinds
    }

    /// Rows of figures: embedding, layers, head.
    private var places: [(name: String, matrices: [Matrix])] {
        var places: [(name: String, matrices: [Matrix])] = []
        for matrix in matrices {
            let name = matrix.layer.map { "layer \($0)" } ?? matrix.kind
            if places.last?.name == name {
                places[places.count - 1].matrices.append(matrix)
            } else {
                places.append((name, [matrix]))
            }
        }
        return places
    }

    private func addSizes(to page: inout HTMLPage) {
        page.section("Size")
        page.figure(
            SVGBars(
                title: "Bytes by layer and kind of matrix", axisTitle: "megabytes", kinds: kinds,
                bars: places.map { place in
                    SVGBars.Bar(
                        name: place.name,
                        parts: kinds.map { kind in
                            place.matrices.filter { $0.kind == kind }.reduce(0) { $0 + Double($1.bytes) / 1e6 }
                        })
                }
            ).figure())
        let layers = places.filter { $0.matrices.first?.layer != nil }
        let layerKinds = kinds.filter { kind in layers.contains { $0.matrices.contains { $0.kind == kind } } }
        func map(_ title: String, _ scale: AxisScale, _ value: (Matrix) -> Double) -> SVGFigure {
            SVGHeatMap(
                title: title, rowTitle: "", columnTitle: "", rowNames: layers.map(\.name), columnNames: layerKinds,
                values: layers.map { layer in
                    layerKinds.map { kind in layer.matrices.first { $0.kind == kind }.map(value) }
                }, scale: scale
            ).figure()
        }
        page.figure(
            map("Bits a weight", .linear) { 8 * Double($0.bytes) / Double($0.rows * $0.columns) },
            caption: "Codes and scales.")
        page.figure(
            map("Sensitivity", .logarithmic) { $0.probeDivergence },
            caption: "Mean KL divergence of the predictions, in nats, where this matrix alone is rounded to 4 bits in "
                + "groups of 64. Packings are chosen so that the sum of all matrices' predicted divergences is small for "
                + "the size: a matrix gets more bits where a byte saves more of it than elsewhere.")
    }

    private func addErrors(to page: inout HTMLPage) {
        page.section("Errors")
        page.figure(
            SVGPlot(
                title: "Error of each matrix's outputs", horizontal: SVGPlot.Axis(title: "matrix, in order"),
                vertical: SVGPlot.Axis(title: "share of the energy", scale: .logarithmic),
                series: [
                    SVGPlot.Series(
                        name: "rounded to nearest",
                        points: matrices.enumerated().map { index, matrix in
                            SVGPlot.Point(x: Double(index), y: matrix.nearestError, label: matrix.name)
                        }),
                    SVGPlot.Series(
                        name: "as in the plan",
                        points: matrices.enumerated().map { index, matrix in
                            SVGPlot.Point(x: Double(index), y: matrix.error, label: matrix.name)
                        }),
                ]
            ).figure(),
            caption: "On what the matrix reads in the quantized model, calibration text.")
        page.figure(
            SVGPlot(
                title: "What making columns alike did to the error",
                horizontal: SVGPlot.Axis(title: "matrix, in order"),
                vertical: SVGPlot.Axis(title: "error beside that without", scale: .linear),
                series: [
                    SVGPlot.Series(
                        name: "measured at 4 bits",
                        points: matrices.enumerated().map { index, matrix in
                            SVGPlot.Point(x: Double(index), y: matrix.equalization.errorRatio, label: matrix.name)
                        })
                ]
            ).figure(),
            caption:
                "Columns that share a scale waste levels where some are smaller than others. Each matrix was tried "
                + "with its columns brought to one size, fully and half the way, their inputs divided by the same factors "
                + "in the norm or the matrix before; the best of the three was taken. 1 where that is none.")
    }

    private func addTable(to page: inout HTMLPage) {
        page.section("Every matrix")
        var table = TextTable(
            header: [
                "matrix", "shape", "bits", "group", "bytes", "KL alone at 4 bits", "KL reckoned with", "error",
                "of nearest", "columns alike",
            ], rightAligned: [2, 3, 4, 5, 6, 7, 8, 9])
        for matrix in matrices {
            table.add(
                matrix.name, "\(matrix.rows) x \(matrix.columns)", "\(matrix.bits)", "\(matrix.groupSize)",
                matrix.bytes.grouped, matrix.probeDivergence.significant(3), matrix.predictedDivergence.significant(3),
                matrix.error.significant(3),
                matrix.nearestError > 0 ? (matrix.error / matrix.nearestError).rounded(toDecimals: 3) : "",
                matrix.equalization.exponent.rounded(toDecimals: 1))
        }
        page.table(table)
    }
}
