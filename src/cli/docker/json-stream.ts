/** The texts of JSON documents that follow each other in a byte stream, with or without white space between them (dockerd's events). */
import { StatusError } from "./status.ts";

const MAX_DOCUMENT_CHARS = 8 * 1024 * 1024;

/** Yields each document as soon as its last brace has come. Only objects are expected at the top. */
export async function* splitDocuments(bytes: AsyncIterable<Buffer>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let held = "";
  let depth = 0;
  let inText = false;
  let escaped = false;
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text[at];
      if (escaped) escaped = false;
      else if (inText && char === "\\") escaped = true;
      else if (char === '"') inText = !inText;
      else if (inText) continue;
      else if (char === "{" || char === "[") depth++;
      else if (char === "}" || char === "]") {
        depth--;
        if (depth > 0) continue;
        yield (held + text.slice(start, at + 1)).trim();
        held = "";
        start = at + 1;
      }
    }
    held += text.slice(start);
    if (held.length > MAX_DOCUMENT_CHARS) throw new StatusError("the daemon sent a document that does not end");
  }
}
