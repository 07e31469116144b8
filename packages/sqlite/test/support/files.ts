import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for one test, gone with it. */
export interface TestFolder extends Disposable {
  readonly path: string
  /** A path in it. */
  file(name?: string): string
}

/** Makes a folder of its own for a test. */
export function testFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), 'apalis-sqlite-'))
  return {
    path,
    file: (name = 'tasks.db') => join(path, name),
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true })
    },
  }
}
