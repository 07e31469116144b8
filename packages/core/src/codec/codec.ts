/** How values of one kind are stored: what is pushed (`In`), and what a handler gets (`Out`). apalis's `Codec`. */
export interface Codec<in In, out Out> {
  /** The text to store. Throws an `EncodeError` where storing would change or lose something. */
  encode(value: In): string
  /** The value of stored text. Throws a `DecodeError` for what it cannot read. */
  decode(stored: string): Out
}
