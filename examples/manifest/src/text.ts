const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const ONE_DIGIT = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** 1234567 as 1,234,567. */
export function count(value: number): string {
  return WHOLE.format(value)
}

/** 1 file, 2 files. */
export function counted(value: number, what: string): string {
  return `${count(value)} ${what}${value === 1 ? '' : 's'}`
}

/** A number for each second: 0.5, 12, 1,234. */
export function rateText(perSecond: number): string {
  return perSecond < 10 ? ONE_DIGIT.format(perSecond) : WHOLE.format(perSecond)
}

/** A number of bytes in the largest unit that fits. */
export function byteSize(bytes: number): string {
  let value = bytes
  let unit = 0
  // What would be rounded to 1,000 is one of the next unit.
  for (; value >= 999.95 && unit < UNITS.length - 1; unit += 1) value /= 1_000
  return `${ONE_DIGIT.format(value)} ${UNITS[unit]}`
}

/** A number of milliseconds: 0.8 s, 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(ms: number): string {
  if (ms < 9_950) return `${ONE_DIGIT.format(ms / 1_000)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`
}
