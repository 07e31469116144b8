import type { Tally } from './tally.ts'
import { byteSize, count, duration, rateText } from './text.ts'

/** The closing table, one line a row. */
export function table(tally: Tally, elapsedMs: number): string {
  const { done, bytes, gzipBytes, doneBefore, bytesBefore } = tally
  const { retried, killed, unreadable, skipped } = tally
  const perSecond = (value: number): number => (elapsedMs > 0 ? (value * 1_000) / elapsedMs : 0)
  const share = bytes === 0 ? '' : `, ${Math.round((gzipBytes / bytes) * 100)}%`
  const rows: readonly (readonly [string, string])[] = [
    ['files', doneBefore === 0 ? count(done) : `${count(done)} (${count(doneBefore)} done before)`],
    ['bytes', `${count(bytes)} (${byteSize(bytes)})`],
    ['compressed', `${count(gzipBytes)} (${byteSize(gzipBytes)})${share}`],
    ['time', duration(elapsedMs)],
    [
      'rate',
      `${rateText(perSecond(done - doneBefore))} files/s, ${byteSize(perSecond(bytes - bytesBefore))}/s`,
    ],
    ['retried', count(retried)],
    ['killed', count(killed)],
    ['unreadable folders', count(unreadable)],
    ['not regular files', `${count(skipped)} (left out)`],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

/** What is missing from the manifest, each with its reason; empty when nothing is. */
export function problems({ problems: lines, killed, unreadable }: Tally): string {
  if (lines.length === 0) return ''
  const more = killed + unreadable - lines.length
  return [
    'missing from the manifest:',
    ...lines.map((line) => `  ${line}`),
    ...(more > 0 ? [`  and ${count(more)} more, told above`] : []),
  ].join('\n')
}
