/** A copy of a JSON-like value that nobody can change: neither through what was passed in nor through what is given out. */
export function frozenCopy<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  const copy = Array.isArray(value)
    ? value.map((item) => frozenCopy(item))
    : // Made from entries, since assigning a key named `__proto__` would set the prototype.
      Object.fromEntries(Object.entries(value).map(([key, item]) => [key, frozenCopy(item)]))
  // An array or plain object copied part by part has the type that it had.
  return Object.freeze(copy) as Value
}
