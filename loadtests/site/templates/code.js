// Colours in source and in differences, as ranges of the text: the pages hold the plain text, and
// a browser without CSS highlights shows that.
(() => {
  "use strict";
  if (!window.Highlight || !CSS.highlights) return;
  const KINDS = ["comment", "string", "keyword", "added", "removed"];
  const words = "and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield None True False exec";
  const code = new RegExp(
    `("""[^]*?"""|'''[^]*?'''|"(?:\\\\.|[^"\\\\\\n])*"|'(?:\\\\.|[^'\\\\\\n])*')|(#.*)|\\b(${words.replaceAll(" ", "|")})\\b`, "g");
  const found = new Map(KINDS.map((kind) => [kind, new Highlight()]));

  function mark(node, start, end, kind) {
    const range = new StaticRange({ startContainer: node, startOffset: start, endContainer: node, endOffset: end });
    found.get(kind).add(range);
  }

  for (const block of document.querySelectorAll("pre.code")) {
    const node = block.firstChild;
    for (const match of node ? node.data.matchAll(code) : []) {
      const kind = match[1] ? "string" : match[2] ? "comment" : "keyword";
      mark(node, match.index, match.index + match[0].length, kind);
    }
  }
  for (const block of document.querySelectorAll("pre.diff")) {
    const node = block.firstChild;
    for (const match of node.data.matchAll(/^([+-]).*$/gm)) {
      mark(node, match.index, match.index + match[0].length, match[1] === "+" ? "added" : "removed");
    }
  }
  for (const [kind, ranges] of found) CSS.highlights.set(`code-${kind}`, ranges);
})();
