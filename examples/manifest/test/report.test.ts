import assert from 'node:assert/strict'
import { test } from 'node:test'

import { problems, table } from '../src/report.ts'
import { Tally } from '../src/tally.ts'
import { byteSize, count, counted, duration } from '../src/text.ts'

test('the table has a row for everything', () => {
  const tally = new Tally()
  for (const task of ['a', 'b']) tally.begin(task)
  tally.finish('a', { size: 1_500_000, sha256: '', gzipSize: 500_000 })
  tally.finish('b', { size: 500_000, sha256: '', gzipSize: 100_000 })
  tally.retried = 3
  tally.skipped = 1_234
  tally.kill({ path: 'gone' }, new Error('it vanished'))
  assert.equal(
    table(tally, 4_000),
    `files               2
bytes               2,000,000 (2 MB)
compressed          600,000 (600 kB), 30%
time                4 s
rate                0.5 files/s, 500 kB/s
retried             3
killed              1
unreadable folders  0
not regular files   1,234 (left out)`,
  )
})

test('the rate is that of what was hashed now', () => {
  const tally = new Tally()
  const digest = { size: 1_000, sha256: '', gzipSize: 100 }
  tally.begin('a')
  for (const task of ['a', 'b', 'c', 'd']) tally.finish(task, digest)
  const text = table(tally, 1_000)
  assert.match(text, /^files +4 \(3 done before\)\nbytes +4,000 /)
  assert.match(text, /^rate +1 files\/s, 1 kB\/s$/m)
})

test('the table of nothing has no shares of nothing', () => {
  assert.match(table(new Tally(), 0), /^compressed +0 \(0 B\)$/m)
  assert.match(table(new Tally(), 0), /^rate +0 files\/s, 0 B\/s$/m)
})

test('problems are listed with their reasons, in one line each', () => {
  const tally = new Tally()
  assert.equal(problems(tally), '')
  tally.kill({ path: 'two\nlines' }, new Error('it vanished'))
  tally.miss({ path: 'folder/' }, new Error('no'))
  assert.deepEqual(problems(tally).split('\n'), [
    'missing from the manifest:',
    '  two\\u{a}lines: it vanished',
    '  folder/: the folder cannot be read: no',
  ])
})

test('of very many problems the first are kept, and all are told', () => {
  const told: string[] = []
  const tally = new Tally((line) => told.push(line))
  for (let number = 0; number < 1_003; number += 1) {
    tally.kill({ path: `file ${number}` }, new Error('no'))
  }
  assert.deepEqual(told, ['file 1000: no', 'file 1001: no', 'file 1002: no'])
  const lines = problems(tally).split('\n')
  assert.equal(lines.length, 1_002)
  assert.equal(lines.at(-1), '  and 3 more, told above')
})

test('numbers are written for people', () => {
  assert.equal(count(1_234_567), '1,234,567')
  assert.deepEqual(
    [0, 1, 2].map((value) => counted(value, 'file')),
    ['0 files', '1 file', '2 files'],
  )
  assert.deepEqual([0, 999, 1_000, 1_234_000, 999_960_000_000, 5e15].map(byteSize), [
    '0 B',
    '999 B',
    '1 kB',
    '1.2 MB',
    '1 TB',
    '5 PB',
  ])
  assert.deepEqual(
    [0, 840, 9_949, 9_950, 59_499, 59_500, 3_599_000, 3_600_000, 90_060_000].map(duration),
    [
      '0 s',
      '0.8 s',
      '9.9 s',
      '10 s',
      '59 s',
      '1 min 0 s',
      '59 min 59 s',
      '1 h 0 min',
      '25 h 1 min',
    ],
  )
})
