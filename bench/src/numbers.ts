/** 0, 1, 2 and so on, as arguments. */
export function* numbered(count: number): Generator<{ readonly index: number }> {
  for (let index = 0; index < count; index += 1) yield { index }
}

/** What so many per cent of the numbers are below. */
export function percentile(numbers: readonly number[], percent: number): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  const at = Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))
  return sorted[at] ?? Number.NaN
}
