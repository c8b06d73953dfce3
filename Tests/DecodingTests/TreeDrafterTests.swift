import Runtime
import Testing

@testable import Decoding

@Suite struct TreeDrafterTests {
    /// What drafting did while a sequence that is known beforehand was decoded.
    private struct Course {
        var draftedCounts: [Int] = []
        var acceptedCounts: [Int] = []

        var tokensPerStep: Double {
            Double(acceptedCounts.reduce(acceptedCounts.count, +)) / Double(acceptedCounts.count)
        }
    }

    /// Decodes `tokens` from the second one on: the model names the right token first wherever the sequence has come, and
    /// elsewhere what `elsewhere` says, with two wrong ones less likely.
    private func decode(
        _ tokens: [UInt32], _ drafter: inout TreeDrafter, limit: Int = 15, seconds: (Int) -> Double = { _ in 1 },
        elsewhere: (UInt32) -> UInt32 = { $0 &+ 100 }
    ) -> Course {
        var course = Course()
        var position = 0
        while position + 1 < tokens.count {
            drafter.append(tokens[position])
            let draft = drafter.draft(tokens: limit, rows: 2 * limit).tree
            #expect(draft.count <= limit)
            var accepted: [Int] = []
            while position + accepted.count + 2 < tokens.count,
                let node = draft.node(of: tokens[position + accepted.count + 1], after: accepted.last)
            {
                accepted.append(node)
            }
            let candidates = ([nil] + draft.tokens.indices.map(Optional.some)).map { node -> [Candidate] in
                let path = draft.path(to: node)
                let rest = tokens[(position + 1)...]
                let isRight = rest.count > path.count && rest.starts(with: path)
                let next = isRight ? rest[rest.startIndex + path.count] : elsewhere(path.last ?? 0)
                return [(next, 9), (next &+ 1000, 3), (next &+ 2000, 1)].map { Candidate(token: $0.0, logit: $0.1) }
            }
            drafter.learn(
                from: VerifiedStep(
                    draft: Draft(draft), accepted: accepted, candidates: drafter.candidateCount > 0 ? candidates : [],
                    seconds: seconds(draft.count + 1)))
            for node in accepted { drafter.append(draft.tokens[node]) }
            position += accepted.count + 1
            course.draftedCounts.append(draft.count)
            course.acceptedCounts.append(accepted.count)
        }
        return course
    }

    private func randomTokens(_ count: Int, seed: UInt64) -> [UInt32] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { _ in UInt32(random.next() % 50_000) }
    }

    @Test func lookupCopiesWhatComesAgain() {
        let passage = randomTokens(150, seed: 1)
        var drafter = TreeDrafter(looksUp: true, weighsCosts: false, maximumRows: 16)
        let course = decode(passage + passage, &drafter)
        // 150 tokens one by one, two more to see that they come again, and the rest 16 at once.
        #expect(course.acceptedCounts.count <= 150 + 2 + 148 / 16 + 2)
        #expect(course.acceptedCounts.prefix(149).allSatisfy { $0 == 0 })
        #expect(course.draftedCounts.prefix(149).allSatisfy { $0 == 0 })
    }

    @Test func recyclingKnowsWhatTheModelNamed() {
        // Each token has one successor, and the successors lead through all of 60 tokens.
        let lap = Array(0..<60).map { UInt32($0 * 37 % 60) }
        var drafter = TreeDrafter(recycles: true, weighsCosts: false, maximumRows: 16)
        let course = decode(lap + lap + lap, &drafter)
        #expect(course.acceptedCounts.reduce(course.acceptedCounts.count, +) == 179)
        #expect(course.acceptedCounts.count < 60 + 120 / 8, "\(course.acceptedCounts)")
    }

    @Test func aTreeHoldsSeveralGuessesOfOnePlace() {
        var drafter = TreeDrafter(recycles: true, weighsCosts: false, maximumRows: 16)
        drafter.append(1)
        let named = [Candidate(token: 7, logit: 2), Candidate(token: 8, logit: 1.5), Candidate(token: 9, logit: 1)]
        let step = VerifiedStep(draft: Draft(), accepted: [], candidates: [named], seconds: 1)
        drafter.learn(from: step)
        drafter.append(2)
        #expect(drafter.draft(tokens: 15, rows: 30).tree == TokenTree())
        drafter.append(1)
        let draft = drafter.draft(tokens: 15, rows: 30).tree
        #expect(draft.parents == [nil, nil, nil] && draft.tokens == [7, 8, 9])
        #expect(
            drafter.draft(tokens: 2, rows: 2).tree.tokens == [7, 8] && drafter.draft(tokens: 0, rows: 0).tree.count == 0
        )
    }

    @Test func draftingEndsWhereRowsCostAsMuchAsSteps() {
        let passage = randomTokens(40, seed: 2)
        let text = Array(repeating: passage, count: 12).flatMap { $0 }
        var drafter = TreeDrafter(looksUp: true, recycles: true, maximumRows: 16)
        let dear = decode(text, &drafter, seconds: { 1 + 1.5 * Double($0 - 1) })
        // It tries again now and then.
        let tried = dear.draftedCounts.suffix(300).count { $0 > 0 }
        #expect(tried <= 20, "\(dear.draftedCounts)")
        drafter = TreeDrafter(looksUp: true, recycles: true, maximumRows: 16)
        let cheap = decode(text, &drafter, seconds: { 1 + 0.02 * Double($0) })
        #expect(cheap.tokensPerStep > 3)
        #expect(cheap.acceptedCounts.suffix(5).contains { $0 >= 14 })
    }

    @Test func draftingEndsWhereItIsNeverRight() {
        // The model names as likely what never comes.
        let tokens = Array(repeating: [3, 5, 3, 5, 3, 5] as [UInt32], count: 60).flatMap { $0 }
        var random = RandomSource(seed: 9)
        let text = tokens.flatMap { [$0, UInt32(1000 + random.next() % 40_000)] }
        var drafter = TreeDrafter(looksUp: true, recycles: true, maximumRows: 16)
        let course = decode(text, &drafter, seconds: { 1 + 0.1 * Double($0 - 1) })
        let rows = course.draftedCounts.suffix(200).reduce(0, +)
        #expect(rows < 100, "\(course.draftedCounts)")
    }

    @Test func logitsThatAreNotNumbersAreNoGuesses() {
        for logit in [Float.nan, .infinity, -.infinity] {
            var drafter = TreeDrafter(looksUp: true, recycles: true, maximumRows: 16)
            drafter.append(1)
            let named = [Candidate(token: 7, logit: logit), Candidate(token: 8, logit: logit)]
            drafter.learn(from: VerifiedStep(draft: Draft(), accepted: [], candidates: [named], seconds: 1))
            drafter.append(1)
            #expect(drafter.draft(tokens: 15, rows: 30).tree.count <= 2)
        }
    }

    @Test func masksStandWhereTheSequenceMayEnd() throws {
        var drafter = TreeDrafter(looksUp: true, masks: .token(9), weighsCosts: false, maximumRows: 32)
        for token in [1, 2, 3, 4, 1, 2] as [UInt32] { drafter.append(token) }
        let draft = drafter.draft(tokens: 3, rows: 12)
        #expect(draft.tree == TokenTree(chain: [3, 4, 1]))
        // Nine rows are left, for groups behind the last token and behind guesses, where they may be wrong.
        #expect(draft.maskCount == 9 && draft.masks.allSatisfy { $0.inputs.allSatisfy { $0 == .token(9) } })
        #expect(draft.masks.contains { $0.node == nil } && draft.masks.contains { $0.node == 2 })
        let rows = draft.rows(after: 2, at: 5)
        #expect(rows.prefix(4) == draft.tree.rows(after: 2, at: 5)[...])
        for group in draft.masks {
            let places = draft.maskRows(behind: group.node)
            #expect(places.count == group.inputs.count)
            var parent = group.node.map { $0 + 1 } ?? 0
            for place in places {
                #expect(rows[place].parent == parent && rows[place].position == rows[parent].position + 1)
                parent = place
            }
        }
        #expect(draft.maskRows(behind: 99) == [])
        #expect(drafter.draft(tokens: 3, rows: 4).maskCount == 1 && drafter.draft(tokens: 0, rows: 0).maskCount == 0)
    }

    @Test func whatMasksForetellIsGuessedInItsPlace() {
        var drafter = TreeDrafter(masks: .token(9), weighsCosts: false, maximumRows: 32)
        drafter.append(1)
        let draft = drafter.draft(tokens: 15, rows: 30)
        #expect(draft.tree.count == 0 && draft.masks.map(\.inputs.count) == [5])
        let foreseen = [(40, 41), (50, 51)].map {
            [Candidate(token: $0.0, logit: 5), Candidate(token: $0.1, logit: 3)]
        }
        drafter.learn(from: VerifiedStep(draft: draft, accepted: [], candidates: [[]], foreseen: foreseen, seconds: 1))
        drafter.append(2)
        let next = drafter.draft(tokens: 15, rows: 30).tree
        #expect(next.node(of: 40, after: nil) == 0 && next.node(of: 41, after: nil) != nil)
        #expect(next.node(of: 50, after: 0) != nil && next.node(of: 50, after: nil) == nil)
        #expect(next.tokens.allSatisfy { [40, 41, 50, 51].contains($0) } && next.depths.max() == 2)
        // A group that was not asked foretells nothing.
        drafter.learn(from: VerifiedStep(draft: Draft(next), accepted: [0], candidates: [], seconds: 1))
        #expect(drafter.draft(tokens: 15, rows: 30).tree.count == 0)
    }

    @Test func masksThatForetellNothingAreLeftOut() {
        var drafter = TreeDrafter(masks: .token(9), maximumRows: 32)
        var masks: [Int] = []
        for token in 0..<160 as Range<UInt32> {
            drafter.append(token)
            let draft = drafter.draft(tokens: 15, rows: 30)
            masks.append(draft.maskCount)
            let foreseen = draft.masks.first.map { group in
                group.inputs.map { _ in [Candidate(token: 7, logit: 5), Candidate(token: 8, logit: 4)] }
            }
            drafter.learn(
                from: VerifiedStep(
                    draft: draft, accepted: [], candidates: Array(repeating: [], count: draft.tree.count + 1),
                    foreseen: foreseen ?? [], seconds: 1 + 0.05 * Double(draft.tree.count + draft.maskCount)))
        }
        // They are tried again now and then.
        #expect(masks[0] > 0 && masks.suffix(100).filter { $0 > 0 }.count < 10, "\(masks)")
    }

    @Test func costsFollowWhatWasMeasured() {
        var costs = StepCosts(maximumRows: 16)
        #expect(costs.cost(rows: 1) == 1 && costs.cost(rows: 16) > 1)
        for _ in 0..<50 {
            for rows in [1, 4, 8, 16] { costs.record(rows: rows, seconds: 0.01 * Double(rows)) }
        }
        #expect(abs(costs.cost(rows: 1) - 0.01) < 0.003 && abs(costs.cost(rows: 16) - 0.16) < 0.01)
        #expect(costs.cost(rows: 8) < costs.cost(rows: 10) && costs.cost(rows: 10) < costs.cost(rows: 16))
        // One step that was disturbed says little.
        costs.record(rows: 8, seconds: 100)
        #expect(costs.cost(rows: 8) < 0.1)
        // Numbers of rows without a place are no harm.
        costs.record(rows: 17, seconds: 1)
        costs.record(rows: 0, seconds: 1)
        #expect(costs.cost(rows: 17) > costs.cost(rows: 16))
    }

    @Test func whatMasksCostIsToldFromWhatRowsCost() {
        var costs = StepCosts(maximumRows: 16)
        for _ in 0..<50 {
            for rows in [1, 3, 6, 9] {
                costs.record(rows: rows, seconds: 0.01 + 0.0005 * Double(rows))
                costs.record(rows: rows + 2, masks: true, seconds: 0.013 + 0.0005 * Double(rows + 2))
            }
        }
        for rows in [1, 4, 8, 12] {
            let (without, with) = (costs.cost(rows: rows), costs.cost(rows: rows, masks: true))
            #expect(abs(without / (0.01 + 0.0005 * Double(rows)) - 1) < 0.06)
            #expect(abs(with / (0.013 + 0.0005 * Double(rows)) - 1) < 0.06)
        }
        // Where every step has masks, nothing says what one without would take: that is taken for granted.
        var always = StepCosts(maximumRows: 16)
        for _ in 0..<50 { for rows in [3, 6, 9] { always.record(rows: rows, masks: true, seconds: 0.01) } }
        #expect(abs(always.cost(rows: 6, masks: true) - 0.01) < 0.001)
        #expect(always.cost(rows: 6) < 0.0099 && always.cost(rows: 6) > 0.008)
    }
}
