import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { PostgresResult } from '../src/client.ts'
import { GivenUp } from '../src/link.ts'
import { Turns } from '../src/turns.ts'

/** A connection that answers when it is told to. */
function connection(): {
  readonly turns: Turns
  readonly sent: string[]
  readonly answers: PromiseWithResolvers<PostgresResult>[]
} {
  const sent: string[] = []
  const answers: PromiseWithResolvers<PostgresResult>[] = []
  const query = (text: string): Promise<PostgresResult> => {
    sent.push(text)
    const answer = Promise.withResolvers<PostgresResult>()
    answers.push(answer)
    return answer.promise
  }
  return { turns: new Turns({ query }), sent, answers }
}

test('a statement begins when the one before it has ended, well or not', async () => {
  const { turns, sent, answers } = connection()
  const [first, second, third] = ['1', '2', '3'].map((text) => turns.run(text, [], 60_000))
  await turn()
  assert.deepEqual(sent, ['1'])
  answers[0]?.reject(new Error('no'))
  await assert.rejects(first ?? Promise.resolve(), /^Error: no$/)
  await turn()
  assert.deepEqual(sent, ['1', '2'])
  answers[1]?.resolve({ rows: [2] })
  assert.deepEqual(await second, { rows: [2] })
  await turn()
  answers[2]?.resolve({ rows: [3] })
  assert.deepEqual(await third, { rows: [3] })
})

test('one that is given up before its turn is not sent, and says so', async () => {
  const { turns, sent, answers } = connection()
  const first = turns.run('1', [], 1)
  const second = turns.run('2', [], 1)
  await assert.rejects(first, (error) => error instanceof GivenUp && error.sent)
  await assert.rejects(second, (error) => error instanceof GivenUp && !error.sent)
  answers[0]?.resolve({ rows: [] })
  const third = turns.run('3', [], 60_000)
  await turn()
  assert.deepEqual(sent, ['1', '3'])
  answers[1]?.resolve({ rows: [] })
  await third
})
