// Every program of the examples prints what stands behind `// Output:` at its end. Only an example that has tests of its
// own may have files without that.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const examples = join(import.meta.dirname, '../../examples')

const programs = globSync('*/src/*.ts', { cwd: examples })
  .toSorted()
  .map((program) => {
    const path = join(examples, program)
    const [, block] = /\n\/\/ Output:\n((?:\/\/.*\n)+)$/.exec(readFileSync(path, 'utf8')) ?? []
    return { program, path, output: block?.replaceAll(/^\/\/ ?/gm, '') }
  })

test('each program says what it prints', () => {
  assert.ok(programs.length > 0)
  const silent = programs.filter(({ output }) => output === undefined)
  const untested = silent.filter(({ path }) => !existsSync(join(dirname(path), '../test')))
  assert.deepEqual(untested, [])
})

describe('programs', { concurrency: 2 }, () => {
  for (const { program, path, output } of programs) {
    if (output === undefined) continue
    test(`${program} prints what it says`, async () => {
      const { stdout, stderr } = await run(
        process.execPath,
        ['--conditions=@apalis/source', path],
        // One that hangs is killed, and rejects.
        { timeout: 60_000 },
      )
      assert.equal(stdout, output)
      assert.equal(stderr, '')
    })
  }
})
