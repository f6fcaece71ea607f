/** What DNS can ask for: RFC 1035 2.3.4, and how Docker's server writes down what it was asked (miekg/dns). Pure. */

export const MOST_LABEL_BYTES = 63;
/** On the wire: a byte before each label, and the root's at the end. */
export const MOST_NAME_BYTES = 255;

/**
 * Why no question of DNS finds this name, in words that follow "it"; undefined where one does.
 * A name that no message can hold is one thing; a name whose characters Docker's server writes otherwise than the user did, so that it
 * never equals what was asked, is the other.
 */
export function dnsNameFault(name: string): string | undefined {
  return unaskable(name) ?? unequal(name);
}

/** No question can hold it: who asks anyway sends a message that is malformed. */
export function unaskable(name: string): string | undefined {
  const labels = name.split(".");
  const long = labels.map((label) => Buffer.byteLength(label)).find((bytes) => bytes > MOST_LABEL_BYTES);
  if (long !== undefined) return `has a label of ${long} bytes, and a DNS label has at most ${MOST_LABEL_BYTES}`;
  if (labels.some((label) => label === "")) return "has an empty label, and only the root of DNS is empty";
  const bytes = Buffer.byteLength(name) + 2;
  return bytes > MOST_NAME_BYTES ? `has ${bytes} bytes, and a DNS name has at most ${MOST_NAME_BYTES}` : undefined;
}

/** miekg/dns writes these behind a backslash, and what does not print as \DDD (types.go isDomainNameLabelSpecial). */
const ESCAPED = /[^!-~]|['@;()"\\]/;

function unequal(name: string): string | undefined {
  const [character] = ESCAPED.exec(name) ?? [];
  return character === undefined
    ? undefined
    : `has the character ${JSON.stringify(character)}, which Docker's DNS server reads otherwise than it was written`;
}
