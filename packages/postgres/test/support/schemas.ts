let made = 0

/** The name of a schema that nobody else has, in this process or another. */
export function freshSchema(): string {
  made += 1
  return `test_${process.pid}_${Date.now().toString(36)}_${made}`
}
