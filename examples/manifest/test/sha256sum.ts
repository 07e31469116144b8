import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

import type { ManifestEntry } from '../src/manifest.ts'
import { bytesOf } from '../src/names.ts'

/** What `sha256sum` says of every regular file, in the order of the bytes of the paths; names as in a manifest's bytes. */
export function sha256sum(cwd: string): string[] {
  const command = 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -z --'
  const { status, stdout } = spawnSync('sh', ['-c', command], { cwd, maxBuffer: 2 ** 30 })
  assert.equal(status, 0)
  return stdout.toString('latin1').split('\0').slice(0, -1)
}

/** The same of a manifest. */
export function sums(entries: readonly ManifestEntry[]): string[] {
  return entries.map((entry) => `${entry.sha256}  ./${bytesOf(entry).toString('latin1')}`)
}
