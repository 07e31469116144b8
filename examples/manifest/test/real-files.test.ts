import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { begin, start } from './child.ts'
import { readEvents, untilEvents } from './events.ts'
import { sha256sum, sums } from './sha256sum.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

/** `npm run test:long` takes everything that is installed, as often as it takes to be many files. */
const long = process.env['APALIS_LONG'] === '1'
const least = long ? 20_000 : 500
const kills = long ? 5 : 2
const installed = fileURLToPath(
  new URL(long ? '../../../node_modules' : '../../../node_modules/zod', import.meta.url),
)

test('real files, and a run that is killed again and again: what sha256sum says, and little done twice', async (t) => {
  await using folder = await tempFolder()
  const files = fill(folder)
  const log = folder.at('events')
  const args = [folder.at('in'), '-o', folder.at('out.json'), '-l', log]
  let begun = 0
  let again = 0
  for (let kill = 1; kill <= kills; kill += 1) {
    await using child = begin(...args)
    if (kill > 1) await child.line(/^going on where an interrupted run stopped: /)
    await untilEvents(log, 'success', Math.floor((files * kill) / (kills + 1)))
    child.process.kill('SIGKILL')
    assert.deepEqual(await child.ended, [null, 'SIGKILL'])
    const { engage, success } = await readEvents(log)
    const done = new Set(success)
    // What was told to be done is not begun again, neither by this run nor by a later one.
    assert.equal(done.size, success.length)
    again += engage.slice(begun).filter((path) => !done.has(path)).length
    begun = engage.length
  }
  const { status, stdout, stderr } = start(...args)
  assert.equal(status, 0, stderr)
  const entries = JSON.parse(await readFile(folder.at('out.json'), 'utf8'))
  assert.deepEqual(sums(entries), sha256sum(folder.at('in')))
  const { engage, success } = await readEvents(log)
  assert.equal(new Set(success).size, success.length)
  assert.equal(new Set(engage).size, files)
  const extra = engage.length - files
  assert.ok(extra <= again, `${extra} starts too many, ${again} were under way at the kills`)
  t.diagnostic(`${files} files, ${extra} starts beyond them, ${again} under way at the kills`)
  t.diagnostic(stdout)
})

/** As many files that are there anyway as it takes. Gives back how many. */
function fill(folder: TempFolder): number {
  const script = `mkdir "$2"; n=0; copy=0
    while [ $n -lt ${least} ]; do
      cp -R "$1" "$2/$copy"; copy=$((copy + 1)); n=$(find "$2" -type f | wc -l)
    done; echo $n`
  const { stdout, stderr } = spawnSync('sh', ['-c', script, 'fill', installed, folder.at('in')], {
    encoding: 'utf8',
  })
  assert.ok(Number(stdout) >= least, stderr)
  return Number(stdout)
}
