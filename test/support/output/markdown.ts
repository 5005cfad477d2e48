interface MarkdownLink {
  readonly target: string;
  /** From 1. */
  readonly line: number;
}

export interface MarkdownDocument {
  /** Inline links, images and link definitions. */
  readonly links: readonly MarkdownLink[];
  /** Headings by GitHub's rules for anchors, and `<a id="...">`. */
  readonly anchors: ReadonlySet<string>;
  /** Anchors that several headings share; GitHub numbers all but the first. */
  readonly ambiguous: readonly string[];
  /** Ids of definitions (`[id]: target`), and ids that references (`[text][id]`) use. */
  readonly defined: ReadonlySet<string>;
  readonly used: ReadonlySet<string>;
}

const FENCE = /^\s*```/;
const CODE_SPAN = /`[^`]*`/g;
const HEADING = /^#{1,6}\s+(.*)$/;
const DEFINITION = /^\[([^\]]+)\]:\s+(\S+)/;
const INLINE = /\]\(([^()\s]+(?:\([^()]*\))?)\)/g;
const REFERENCE = /\]\[([^\]]+)\]/g;
const ID = /<a id="([^"]+)">/g;

export function parseMarkdown(text: string): MarkdownDocument {
  const links: MarkdownLink[] = [];
  const anchors = new Set<string>();
  const ambiguous: string[] = [];
  const defined = new Set<string>();
  const used = new Set<string>();
  for (const { content, line } of proseLines(text)) {
    const heading = HEADING.exec(content)?.[1];
    if (heading !== undefined) {
      const anchor = anchorOf(heading);
      if (anchors.has(anchor)) ambiguous.push(anchor);
      anchors.add(anchors.has(anchor) ? `${anchor}-${ambiguous.filter((other) => other === anchor).length}` : anchor);
    }
    const shown = content.replaceAll(CODE_SPAN, "");
    const [, id, target] = DEFINITION.exec(shown) ?? [];
    if (id !== undefined && target !== undefined) {
      defined.add(id);
      links.push({ target, line });
      continue;
    }
    for (const [, inline = ""] of shown.matchAll(INLINE)) links.push({ target: inline, line });
    for (const [, reference = ""] of shown.matchAll(REFERENCE)) used.add(reference);
    for (const [, name = ""] of shown.matchAll(ID)) anchors.add(name);
  }
  return { links, anchors, ambiguous, defined, used };
}

/** The anchor that GitHub gives a heading: its text in lower case, without punctuation, with hyphens for spaces. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim();
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}

function* proseLines(text: string): Generator<{ readonly content: string; readonly line: number }> {
  let isCode = false;
  for (const [index, content] of text.split("\n").entries()) {
    if (FENCE.test(content)) isCode = !isCode;
    else if (!isCode) yield { content, line: index + 1 };
  }
}
