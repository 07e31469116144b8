import { OptionError } from '../internal/validate.ts'

/** A length of time: a number of milliseconds, or text such as `'250ms'`, `'30s'`, `'5m'`, `'1.5h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** The longest length of time that apalis accepts: 100 years. */
const MAX_MS = 36_525 * 86_400_000

/** The whole milliseconds of a {@link Duration}; throws an `OptionError` that names `option` for anything else. */
export function durationMs(
  option: string,
  value: unknown,
  { min = 0 }: { readonly min?: number } = {},
): number {
  const given = typeof value === 'string' ? parse(value) : value
  // Whole, because storages keep whole ones; rounded, because '1.1s' is a little more than 1100.
  const ms = typeof given === 'number' && given >= 0 ? Math.round(given) : Number.NaN
  if (!(ms >= min && ms <= MAX_MS)) {
    const least = min > 0 ? ` of at least ${min} ms` : ''
    throw new OptionError(
      option,
      value,
      `a duration${least} such as 250, '250ms', '30s', '5m', '1h' or '7d', at most 100 years`,
    )
  }
  return ms
}

/** @internal The milliseconds that somebody's error carries; undefined where it carries none that could be waited for. */
export function carriedMs(ms: unknown): number | undefined {
  return typeof ms === 'number' && ms >= 0 && ms <= MAX_MS ? Math.round(ms) : undefined
}

function parse(value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value)
  const [, count, unit] = match ?? []
  return Number(count) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
}
