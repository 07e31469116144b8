/** An error made storable: no NUL, no lone surrogates, bounded in size and in depth of causes. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly cause?: StoredError
}
