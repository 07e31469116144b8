/** One finding of a schema. */
export interface SchemaIssue {
  readonly message: string
  /** Such as `items[3].price`; empty for the whole value. */
  readonly path: string
}
