import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Sign } from '../../src/storage/channel.ts'
import { Listener } from '../../src/storage/listener.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import type { StoreSignal } from '../../src/storage/task-store.ts'
import { FaultyStore } from '../../src/testing/faulty-store.ts'
import { TestClock } from '../../src/testing/test-clock.ts'

const row = { id: 'a', args: '1', priority: 0, attempts: 5 }

function setting() {
  const clock = new TestClock()
  const store = new FaultyStore(new MemoryStore({ clock }))
  const listener = new Listener(store, clock)
  const signs: Sign[] = []
  const hear = (sign: Sign) => void signs.push(sign)
  return { clock, store, listener, signs, hear }
}

describe('Listener', () => {
  it('listens once for all channels, from the first subscriber to the last', async () => {
    const { clock, store, listener, hear } = setting()
    const one = listener.channel('one')
    assert.equal(listener.channel('one'), one)
    assert.equal(store.calls('listen').length, 0)
    const ends = [
      one.subscribe('due', hear),
      one.subscribe(['due', 'killed'], hear),
      listener.channel('two').subscribe('settled', hear),
    ]
    await clock.settle()
    assert.equal(store.calls('listen').length, 1)
    assert.equal(store.listeners, 1)
    assert.equal(one.listening, true)
    for (const end of ends) {
      end()
      end()
    }
    await clock.settle()
    assert.equal(store.listeners, 0)
    assert.equal(one.listening, false)
    assert.equal(clock.timers, 0)
  })

  it('tells each queue its own signals, by type', async () => {
    const { clock, store, listener, signs, hear } = setting()
    const channel = listener.channel('q')
    channel.subscribe('due', hear)
    await clock.settle()
    signs.length = 0
    const version = channel.version
    await store.insert('other', [row])
    await store.pause('q', true)
    assert.deepEqual(signs, [])
    assert.equal(channel.version, version)
    await store.insert('q', [row])
    assert.deepEqual(signs, [{ type: 'due' }])
    assert.equal(channel.version, version + 1)
    await store.pause('q', false)
    assert.equal(channel.version, version + 2)
  })

  it('answers the store whether somebody waited for the signal', async () => {
    const { clock, store, listener, hear } = setting()
    const onSignal: ((signal: StoreSignal) => unknown)[] = []
    const listen = store.listen.bind(store)
    store.listen = (on, onEnd) => {
      onSignal.push(on)
      return listen(on, onEnd)
    }
    const end = listener.channel('q').subscribe('due', hear)
    await clock.settle()
    const answers = (): readonly unknown[] =>
      [
        { type: 'due', queue: 'q' } as const,
        { type: 'paused', queue: 'q' } as const,
        { type: 'due', queue: 'nobody knows it' } as const,
      ].map((signal) => onSignal.at(-1)?.(signal))
    assert.deepEqual(answers(), [true, false, false])
    // Another keeps the subscription up, and waits for something else.
    const other = listener.channel('q').subscribe('settled', hear)
    end()
    assert.deepEqual(answers(), [false, false, false])
    other()
    assert.deepEqual(answers(), [false, false, false])
  })

  it('says when it stands, and that anything may have been missed before', async () => {
    const { clock, listener, signs, hear } = setting()
    const channel = listener.channel('q')
    channel.subscribe(['listening', 'due', 'settled', 'killed', 'paused', 'resumed'], hear)
    const version = channel.version
    await clock.settle()
    assert.deepEqual(signs, [
      { type: 'listening' },
      { type: 'due' },
      { type: 'settled' },
      { type: 'killed' },
    ])
    assert.equal(channel.version, version + 1)
  })

  it('renews a subscription that failed, with growing waits, and says why', async () => {
    const { clock, store, listener, signs, hear } = setting()
    const error = new Error('connection refused')
    store.failBefore('listen', error, { times: 3 })
    const channel = listener.channel('q')
    const end = channel.subscribe('listening', hear)
    await clock.settle()
    assert.deepEqual(signs, [{ type: 'listening', error }])
    assert.equal(channel.listening, false)
    await clock.advance(250)
    assert.equal(store.calls('listen').length, 2)
    // At most 500 ms, then at most 1 s.
    await clock.advance(1_500)
    assert.equal(store.calls('listen').length, 4)
    assert.equal(channel.listening, true)
    end()
    assert.equal(clock.timers, 0)
  })

  it('renews a subscription that fell', async () => {
    const { clock, store, listener, signs, hear } = setting()
    const channel = listener.channel('q')
    channel.subscribe(['listening', 'due'], hear)
    await clock.settle()
    signs.length = 0
    store.endListening()
    assert.equal(channel.listening, false)
    assert.equal(signs.length, 1)
    await store.insert('q', [row])
    await clock.advance(250)
    assert.equal(channel.listening, true)
    assert.equal(store.listeners, 1)
    assert.deepEqual(signs.slice(1), [{ type: 'listening' }, { type: 'due' }])
  })

  it('does not renew in a hot loop what falls as soon as it stands', async () => {
    const { clock, store, listener, hear } = setting()
    listener.channel('q').subscribe('listening', hear)
    for (let second = 0; second < 600; second += 1) {
      await clock.advance('1s')
      store.endListening()
    }
    const renewals = store.calls('listen').length
    // Once every 7.5 to 15 s after the first few.
    assert.ok(renewals < 100, `${renewals} renewals in 10 minutes`)
  })

  it('lets go of a subscription that stands only after nobody wants it any more', async () => {
    const { clock, store, listener, signs, hear } = setting()
    const held = store.holdAfter('listen')
    const end = listener.channel('q').subscribe(['listening', 'due'], hear)
    await held.reached
    end()
    held.release()
    await clock.settle()
    assert.equal(store.listeners, 0)
    assert.deepEqual(signs, [])
  })

  it('does not listen again after it was closed, whatever the end of a subscription throws', async () => {
    const { clock, store, listener, hear } = setting()
    listener.channel('q').subscribe('due', hear)
    await clock.settle()
    await listener.close()
    assert.equal(store.listeners, 0)
    listener.channel('q').subscribe('due', hear)
    await clock.settle()
    assert.equal(store.calls('listen').length, 1)
  })
})

describe('Channel', () => {
  it('tells this process without any listener', () => {
    const { store, listener, signs, hear } = setting()
    store.failBefore('listen', new Error('none here'), { times: 1_000 })
    const channel = listener.channel('q')
    channel.subscribe('due', hear)
    channel.wake()
    channel.emit({ type: 'killed', ids: ['a'] })
    assert.deepEqual(signs, [{ type: 'due' }])
  })

  it('takes subscribers that unsubscribe and subscribe anew while they are told', () => {
    const { listener } = setting()
    const channel = listener.channel('q')
    let told = 0
    let end = channel.subscribe('due', again)
    const other = channel.subscribe('due', () => (told += 100))
    function again() {
      told += 1
      end()
      other()
      end = channel.subscribe('due', again)
    }
    channel.wake()
    assert.equal(told, 1)
    channel.wake()
    assert.equal(told, 2)
    end()
  })
})
