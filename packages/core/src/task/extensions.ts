declare const valueType: unique symbol

/** A typed key of {@link Extensions}: two keys of the same name are different keys. */
export interface ExtensionKey<out Value> {
  readonly name: string
  readonly [valueType]?: Value
}

/** Makes a key under which layers can leave a `Value` for each other and for the handler. */
export function extensionKey<Value>(name: string): ExtensionKey<Value> {
  return { name }
}

/** Typed values that live as long as one run of a task and are never stored. apalis's `Extensions`. */
export class Extensions {
  readonly #values = new Map<ExtensionKey<unknown>, unknown>()

  /** The value left under `key`, if any. */
  get<Value>(key: ExtensionKey<Value>): Value | undefined {
    // `set` is the only writer, and its types tie the value to the key.
    return this.#values.get(key) as Value | undefined
  }

  /** Leaves a value; replaces an earlier one. */
  set<Value>(key: ExtensionKey<Value>, value: Value): void {
    this.#values.set(key, value)
  }

  /** Whether a value was left under `key`. */
  has(key: ExtensionKey<unknown>): boolean {
    return this.#values.has(key)
  }

  /** Takes a value away; says whether there was one. */
  delete(key: ExtensionKey<unknown>): boolean {
    return this.#values.delete(key)
  }
}
