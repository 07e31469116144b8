const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u

/** The way to a part of a value, as code would write it: `user.tags[3]`, `prices["€"]`. Empty for the whole. */
export function pathText(keys: readonly PropertyKey[]): string {
  let path = ''
  for (const key of keys) {
    if (typeof key !== 'string') path += `[${String(key)}]`
    else if (!IDENTIFIER.test(key)) path += `[${JSON.stringify(key)}]`
    else path += path === '' ? key : `.${key}`
  }
  return path
}
