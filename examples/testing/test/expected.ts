import { readFileSync } from 'node:fs'

/** What the guide shows of an error. */
export function expected(name: string): string {
  return readFileSync(new URL(`../expected/${name}.txt`, import.meta.url), 'utf8').trimEnd()
}
