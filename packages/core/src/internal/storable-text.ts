/**
 * `value` as every storage can keep it: NUL and lone surrogates replaced by U+FFFD, and at most `maxBytes` bytes in UTF-8,
 * with an ellipsis in place of what was cut off. Takes time and memory by `maxBytes`, not by the length of the value.
 */
export function storableText(value: string, maxBytes: number): string {
  // No character takes less than one byte, so whatever stands beyond goes first.
  const head = value.slice(0, maxBytes)
  const clean = head.replaceAll('\u0000', '\uFFFD').toWellFormed()
  if (head.length === value.length && Buffer.byteLength(clean) <= maxBytes) return clean
  // By way of bytes, because a slice of a string would keep the whole of it in memory.
  const bytes = Buffer.from(clean)
  let end = maxBytes - ELLIPSIS_BYTES
  while (end > 0 && continues(bytes[end])) end -= 1
  return `${bytes.toString('utf8', 0, end)}…`
}

const ELLIPSIS_BYTES = 3

/** Whether a byte of UTF-8 belongs to the character that began before it. */
function continues(byte = 0): boolean {
  return (byte & 0b1100_0000) === 0b1000_0000
}
