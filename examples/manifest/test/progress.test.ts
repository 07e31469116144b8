import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'

import { TestClock } from '@apalis/core/testing'

import { progressBar, progressText, Rate, showProgress } from '../src/progress.ts'
import { Tally } from '../src/tally.ts'

// Wherever the tests run: the terminals here are none.
process.env['TERM'] = 'xterm'

test('the rate is that of the last ten seconds', () => {
  const rate = new Rate()
  assert.equal(rate.perSecond(), undefined)
  rate.add(0, 0)
  assert.equal(rate.perSecond(), undefined)
  for (let second = 1; second <= 10; second += 1) rate.add(second * 1_000, second * 100)
  assert.equal(rate.perSecond(), 100)
  for (let second = 11; second <= 20; second += 1) rate.add(second * 1_000, 1_000)
  assert.equal(rate.perSecond(), 0)
})

test('the text says how far it is, and guesses no end before it knows how much there is', () => {
  const tally = tallyOf({ found: 4_000, done: 1_000, retried: 2 })
  assert.equal(progressText(tally, undefined), '1,000 of 4,000+ files, 2 retried, 3,000+ left')
  tally.foundAll = true
  assert.equal(
    progressText(tally, 50),
    '1,000 of 4,000 files, 50/s, 2 retried, 3,000 left, about 1 min 0 s to go',
  )
  tally.kill({ path: 'gone' }, new Error('it vanished'))
  assert.equal(progressText(tally, 0), '1,000 of 4,000 files, 0/s, 2 retried, 1 killed, 2,999 left')
})

test('the bar is empty at first and full at the end', () => {
  assert.equal(progressBar(tallyOf({}), 4), '░░░░ 0%')
  assert.equal(progressBar(tallyOf({ found: 8, done: 3 }), 4), '█░░░ 37%')
  assert.equal(progressBar(tallyOf({ found: 8, done: 8 }), 4), '████ 100%')
})

test('a terminal without a size gets lines too', async () => {
  const clock = new TestClock()
  const stream = new Screen(true, 0)
  const display = showProgress({ tally: tallyOf({ found: 1 }), stream, clock })
  await clock.advance('3s')
  display.stop()
  assert.equal(stream.text, '0 of 1+ files, 0/s, 0 retried, 1+ left\n')
})

test('without a terminal there is a line every three seconds, and notes', async () => {
  const clock = new TestClock()
  const stream = new Screen(false)
  const tally = tallyOf({ found: 10, foundAll: true })
  const display = showProgress({ tally, stream, clock })
  await clock.advance('2s')
  display.note('so far so good')
  tally.done = 6
  await clock.advance('4s')
  display.stop()
  assert.equal(clock.timers, 0)
  assert.deepEqual(stream.text.split('\n'), [
    'so far so good',
    '6 of 10 files, 2/s, 0 retried, 4 left, about 2 s to go',
    '6 of 10 files, 1/s, 0 retried, 4 left, about 4 s to go',
    '',
  ])
})

test('on a terminal a bar moves, notes stand above it, and in the end it is gone', async () => {
  const clock = new TestClock()
  const stream = new Screen(true)
  const tally = tallyOf({ found: 10, foundAll: true })
  const display = showProgress({ tally, stream, clock })
  tally.done = 5
  await clock.advance('100ms')
  const bar = `${'█'.repeat(30)}${'░'.repeat(30)} 50%`
  assert.ok(stream.lines.includes(bar), stream.text)
  assert.ok(stream.lines.includes('5 of 10 files, 50/s, 0 retried, 5 left, about 0.1 s to go'))
  stream.text = ''
  display.note('a note')
  assert.deepEqual(stream.lines.slice(0, 2), ['a note', bar])
  stream.text = ''
  display.stop()
  assert.equal(stripVTControlCharacters(stream.text), '')
  assert.notEqual(stream.text, '')
  assert.equal(clock.timers, 0)
})

function tallyOf(values: Partial<Pick<Tally, 'found' | 'foundAll' | 'done' | 'retried'>>): Tally {
  return Object.assign(new Tally(), values)
}

class Screen extends Writable {
  readonly isTTY: boolean
  readonly columns: number
  text = ''

  constructor(isTTY: boolean, columns = 80) {
    super({ decodeStrings: false })
    this.columns = columns
    this.isTTY = isTTY
  }

  get lines(): string[] {
    return stripVTControlCharacters(this.text).split('\n')
  }

  override _write(chunk: string, _encoding: string, callback: () => void): void {
    this.text += chunk
    callback()
  }
}
