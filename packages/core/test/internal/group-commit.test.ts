import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GroupCommit } from '../../src/internal/group-commit.ts'
import { turn } from '../../src/time/clock.ts'

/** Flushes that the test ends itself. */
function manual({ maxItems = 1_000 } = {}) {
  const flushes: { calls: readonly number[]; answer(): void; fail(error: unknown): void }[] = []
  const group = new GroupCommit<number, string>({
    flush: (calls) =>
      new Promise((resolve, reject) => {
        flushes.push({
          calls,
          answer: () => resolve(calls.map((call) => `answer ${call}`)),
          fail: reject,
        })
      }),
    weigh: (call) => call,
    maxItems,
    splitOn: () => false,
  })
  const taken = () => flushes.map(({ calls }) => calls)
  return { group, flushes, taken }
}

/** Until the next flush, if calls wait for one: between two flushes the event loop has a turn. */
async function nextFlush(): Promise<void> {
  await turn()
  await turn()
}

describe('GroupCommit', () => {
  it('flushes the calls of one turn together and answers each', async () => {
    const { group, flushes, taken } = manual()
    const answers = [group.add(1), group.add(2)]
    // Microtasks of the same turn, some of them several steps away.
    await Promise.resolve().then(() => answers.push(group.add(3)))
    await turn()
    assert.deepEqual(taken(), [[1, 2, 3]])
    flushes[0]?.answer()
    assert.deepEqual(await Promise.all(answers), ['answer 1', 'answer 2', 'answer 3'])
  })

  it('gathers while a flush is under way and takes all that gathered next', async () => {
    const { group, flushes, taken } = manual()
    void group.add(1)
    await turn()
    void group.add(2)
    await turn()
    void group.add(3)
    await turn()
    assert.deepEqual(taken(), [[1]])
    assert.equal(group.waiting, 2)
    flushes[0]?.answer()
    await nextFlush()
    assert.deepEqual(taken(), [[1], [2, 3]])
    assert.equal(group.waiting, 0)
    flushes[1]?.answer()
    await group.idle()
  })

  it('lets those whom a flush has just answered share the next', async () => {
    const { group, flushes, taken } = manual()
    const loop = async () => {
      await group.add(1)
      await group.add(2)
    }
    const loops = [loop(), loop(), loop()]
    await turn()
    void group.add(9)
    flushes[0]?.answer()
    await nextFlush()
    assert.deepEqual(taken(), [
      [1, 1, 1],
      [9, 2, 2, 2],
    ])
    flushes[1]?.answer()
    await Promise.all(loops)
  })

  it('takes no more items than allowed, never splits a call, and keeps the order', async () => {
    const { group, flushes, taken } = manual({ maxItems: 10 })
    const calls = [4, 4, 4, 25, 1, 9, 1]
    const all = Promise.all(calls.map((call) => group.add(call)))
    for (let index = 0; index < 5; index += 1) {
      await nextFlush()
      flushes[index]?.answer()
    }
    await all
    assert.deepEqual(taken(), [[4, 4], [4], [25], [1, 9], [1]])
  })

  it('gives everybody the error of a flush that is not split', async () => {
    const { group, flushes } = manual()
    const settled = Promise.allSettled([group.add(1), group.add(2)])
    await turn()
    flushes[0]?.fail(new Error('down'))
    assert.deepEqual(
      (await settled).map((one) => one.status === 'rejected' && String(one.reason)),
      ['Error: down', 'Error: down'],
    )
    const again = group.add(3)
    await turn()
    flushes[1]?.answer()
    assert.equal(await again, 'answer 3')
  })

  it('splits down to the call at fault, which alone gets the error', async () => {
    const flushed: number[] = []
    const stored: number[] = []
    const group = new GroupCommit<number, number>({
      flush: async (calls) => {
        flushed.push(calls.length)
        await turn()
        if (calls.includes(13)) throw new Error('bad row 13')
        stored.push(...calls)
        return calls
      },
      weigh: () => 1,
      maxItems: 1_000,
      splitOn: () => true,
    })
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => group.add(n)))
    assert.deepEqual(
      results.flatMap((one, n) => (one.status === 'rejected' ? [[n, String(one.reason)]] : [])),
      [[13, 'Error: bad row 13']],
    )
    assert.deepEqual(
      stored,
      Array.from({ length: 50 }, (_, n) => n).filter((n) => n !== 13),
    )
    // 50, then two halves at each of six levels at most.
    assert.ok(flushed.length <= 13, `${flushed.length} flushes`)
  })

  it('gives the error of a call that travelled alone to that call, at once', async () => {
    let flushes = 0
    const group = new GroupCommit<number, number>({
      flush: () => {
        flushes += 1
        throw new Error('thrown, not rejected')
      },
      weigh: () => 1,
      maxItems: 10,
      splitOn: () => true,
    })
    await assert.rejects(group.add(1), /thrown, not rejected/)
    assert.equal(flushes, 1)
  })

  it('fails calls whose answers went missing', async () => {
    const group = new GroupCommit<number, number>({
      flush: async () => [1],
      weigh: () => 1,
      maxItems: 10,
      splitOn: () => false,
    })
    const results = await Promise.allSettled([group.add(1), group.add(2)])
    for (const one of results) {
      assert.match(String(one.status === 'rejected' && one.reason), /2 calls got 1 answers/)
    }
  })

  it('is idle before the first call and after the last, whatever became of it', async () => {
    const { group, flushes } = manual()
    await group.idle()
    const failed = assert.rejects(group.add(1))
    let idle = false
    const becameIdle = group.idle().then(() => {
      idle = true
    })
    await turn()
    assert.equal(idle, false)
    flushes[0]?.fail(new Error('down'))
    await becameIdle
    await failed
  })

  it('carries out twenty thousand waiting calls in order', async () => {
    const order: number[] = []
    const group = new GroupCommit<number, number>({
      flush: async (calls) => {
        order.push(...calls)
        return calls
      },
      weigh: () => 1,
      maxItems: 1_000,
      splitOn: () => false,
    })
    const count = 20_000
    const answers = await Promise.all(Array.from({ length: count }, (_, n) => group.add(n)))
    const expected = Array.from({ length: count }, (_, n) => n)
    assert.deepEqual(order, expected)
    assert.deepEqual(answers, expected)
  })

  it('gives the event loop a turn between flushes that wait for nothing', async () => {
    let flushes = 0
    const group = new GroupCommit<number, number>({
      flush: async (calls) => {
        flushes += 1
        return calls
      },
      weigh: () => 1,
      maxItems: 10,
      splitOn: () => false,
    })
    const all = Promise.all(Array.from({ length: 1_000 }, (_, n) => group.add(n)))
    for (let turns = 1; turns <= 50; turns += 1) {
      await turn()
      assert.ok(flushes <= turns + 1, `${flushes} flushes in ${turns} turns`)
    }
    await all
    assert.equal(flushes, 100)
  })
})
