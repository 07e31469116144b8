import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const source = join(import.meta.dirname, '../src')

/** What stands behind `// Output:` at the end of a program. */
function expectedOutput(program: string): string {
  const text = readFileSync(join(source, program), 'utf8')
  const [, block] = /\n\/\/ Output:\n((?:\/\/.*\n)+)$/.exec(text) ?? []
  assert.ok(block, `${program} does not end with its output`)
  return block.replaceAll(/^\/\/ ?/gm, '')
}

for (const program of readdirSync(source)) {
  test(`${program} prints what it says`, async () => {
    const { stdout, stderr } = await run(
      process.execPath,
      ['--conditions=@apalis/source', join(source, program)],
      // One that hangs is killed, and rejects.
      { timeout: 60_000 },
    )
    assert.equal(stdout, expectedOutput(program))
    assert.equal(stderr, '')
  })
}
