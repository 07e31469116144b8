import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, stat, truncate } from 'node:fs/promises'
import { test } from 'node:test'

import { placesFor } from '../src/places.ts'
import { begin, start } from './child.ts'
import { tempFolder } from './temp-folder.ts'

test('--help says how to call it', () => {
  const { status, stdout, stderr } = start('--help')
  assert.equal(status, 0)
  assert.match(stdout, /^Usage: npm start/)
  assert.equal(stderr, '')
})

test('a wrong call is an error in one line, and exit code 1', async () => {
  await using folder = await tempFolder()
  const wrong: [RegExp, ...string[]][] = [
    [/^error: Unknown option '--depth'/, '--depth'],
    [/^error: there is no folder '.*nowhere'\n/, folder.at('nowhere')],
  ]
  for (const [message, ...args] of wrong) {
    const { status, stdout, stderr } = start(...args)
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(stderr, message)
    assert.equal(stderr.split('\n')[1], '--help says how to call this')
  }
})

test('a whole manifest: the table, and exit code 0', async () => {
  await using folder = await tempFolder()
  await folder.write('in/a', 'aaa')
  await folder.write('in/b', 'bbbb')
  const output = folder.at('out.json')
  const { status, stdout, stderr } = start(folder.at('in'), '--output', output)
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^files +2\nbytes +7 \(7 B\)\ncompressed +47 \(47 B\), 671%\ntime +/)
  assert.match(stdout, /\nretried +0\nkilled +0\n/)
  assert.ok(stdout.endsWith(`\nwrote ${output}\n`))
  assert.equal(JSON.parse(await readFile(output, 'utf8')).length, 2)
})

test('a file that stays unreadable is retried, listed with its reason, and makes the exit code 1', async () => {
  await using folder = await tempFolder()
  await folder.write('good', '')
  // Its path is longer than the system takes; that it is there, the walk can see.
  const deepest = `${'d'.repeat(250)}/`.repeat(process.platform === 'darwin' ? 3 : 15)
  const script = 'mkdir -p "$1" && cd "$1" && : > "$2"'
  const name = 'n'.repeat(250)
  const long = process.platform === 'darwin' ? `${'d'.repeat(150)}/` : `${'d'.repeat(80)}/`
  assert.equal(spawnSync('sh', ['-c', script, 'sh', folder.at(deepest + long), name]).status, 0)
  try {
    const { status, stdout, stderr } = start(folder.path, '-o', folder.at('manifest.json'))
    assert.equal(status, 1, stderr)
    assert.match(stdout, /\nretried +3\nkilled +1\n/)
    assert.match(
      stdout,
      /missing from the manifest:\n {2}d+\/.*n: it cannot be read: .*\(ENAMETOOLONG\)\n/,
    )
    assert.equal(JSON.parse(await readFile(folder.at('manifest.json'), 'utf8')).length, 1)
  } finally {
    const { status } = spawnSync('rm', ['-r', folder.path])
    assert.equal(status, 0)
  }
})

test('Ctrl-C lets the files being read finish, and says what is left', async () => {
  await using folder = await tempFolder()
  // So many go into the manifest together, and these long ones follow.
  for (let number = 0; number < 250; number += 1) await folder.write(`in/${number}`, '')
  for (const name of ['in/long 1', 'in/long 2', 'in/long 3']) {
    await folder.write(name, '')
    await truncate(folder.at(name), 400_000_000)
  }
  await using child = begin(folder.at('in'), '-w', '1', '-f', '1', '-o', folder.at('out.json'))
  const { temporary: growing } = await placesFor(folder.at('in'), folder.at('out.json'))
  for (let begun = false; !begun;) begun = await hasContent(growing)
  child.process.kill('SIGINT')
  await child.line(/^stopping: /)
  assert.deepEqual(await child.ended, [130, null])
  const [, done, left] =
    /^files +(\d+)$.*^stopped: (\d+) files? left, no manifest written$/ms
      .exec(child.stdout)
      ?.map(Number) ?? assert.fail(child.stdout)
  assert.ok(done !== undefined && done >= 250 && done < 253, `${done} done`)
  assert.equal(left, 253 - done)
  assert.match(child.stdout, /^the same command goes on from there$/m)
  assert.match((await readdir(folder.path)).join(' '), /^in out\.json\.[0-9a-f]{8}\.queue$/)
})

test('a second run at once is refused, and a second Ctrl-C does not wait', async () => {
  await using folder = await tempFolder()
  await folder.write('in/endless', '')
  await truncate(folder.at('in/endless'), 2 ** 42)
  await using child = begin(folder.at('in'), '-o', folder.at('out.json'))
  await child.line(/^0 of 1 files/)
  const { status, stderr } = start(folder.at('in'), '-o', folder.at('out.json'))
  assert.equal(status, 1)
  assert.match(stderr, /^error: another run hashes '.*in' for '.*out\.json' now$/m)
  child.process.kill('SIGTERM')
  await child.line(/^stopping: /)
  child.process.kill('SIGTERM')
  assert.deepEqual(await child.ended, [143, null])
  assert.match(child.stdout, /^stopped: 1 file left, no manifest written$/m)
})

async function hasContent(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size > 0
  } catch {
    // Not there yet.
    return false
  }
}
