import Foundation
import FoundationXML

/// The elements of a picture or a page in order, read with Foundation's parser.
final class MarkupElements: NSObject, XMLParserDelegate {
    private(set) var all: [(name: String, attributes: [String: String])] = []
    /// The content of `text` elements.
    private(set) var text: [String] = []
    /// The content of `title` elements but the picture's own.
    private(set) var titles: [String] = []
    private var open: [String] = []
    private var characters = ""

    init(_ document: String) throws {
        super.init()
        let parser = XMLParser(data: Data(document.utf8))
        parser.delegate = self
        guard parser.parse() else { throw parser.parserError ?? CocoaError(.formatting) }
    }

    func all(_ name: String) -> [[String: String]] { all.filter { $0.name == name }.map(\.attributes) }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        all.append((name, attributes))
        open.append(name)
        characters = ""
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { characters += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        open.removeLast()
        if name == "text" { text.append(characters) }
        if name == "title", open != ["svg"] { titles.append(characters) }
    }
}
