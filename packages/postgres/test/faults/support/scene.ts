import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { sleep, systemClock } from '@apalis/core'
import { PostgresStorage } from '../../../src/index.ts'
import { freshSchema } from '../../support/schemas.ts'
import type { PostgresServer } from '../../support/server.ts'
import type { Connection } from './connection.ts'
import { type Entry, Log } from './log.ts'
import { judge, type Verdict } from './oracle.ts'
import { type Process, Processes } from './processes.ts'
import type { Args } from './working.ts'

const QUEUE = 'work'

/** A schema on a server, with processes that work on its queue and push to it, and what they all have noted. */
export class Scene implements AsyncDisposable {
  readonly schema: string
  readonly processes: Processes = new Processes()
  readonly #server: PostgresServer
  readonly #connection: Omit<Connection, 'url'>
  readonly #folder = mkdtempSync(join(tmpdir(), 'apalis-faults-'))
  readonly #log = new Log(join(this.#folder, 'log'))

  private constructor(server: PostgresServer, connection: Omit<Connection, 'url'>) {
    this.#server = server
    this.#connection = connection
    this.schema = connection.schema
  }

  /** In a schema of its own. `lease`: in milliseconds. */
  static async open(
    server: PostgresServer,
    { over = 'url', ...options }: Partial<Connection> & { readonly lease: number },
  ): Promise<Scene> {
    const schema = freshSchema()
    await (await PostgresStorage.connect(server.url, { schema })).close()
    return new Scene(server, { over, ...options, schema })
  }

  /** One more process that works. Its connections have `name`, where there is one. */
  working(
    options: {
      readonly limit?: number
      readonly name?: string
      readonly over?: Connection['over']
    } = {},
  ): Process {
    const { limit = 10, name, over } = options
    return this.processes.working({ ...this.#told(name), ...(over && { over }), limit })
  }

  /** One more that pushes until it is stopped, or `most` tasks. */
  pushing(options: {
    readonly atOnce?: number
    readonly pauseMs?: number
    readonly most?: number
    readonly name?: string
    readonly args?: Args
  }): Process {
    const { atOnce = 4, pauseMs = 0, most = 1e9, name, args = { ms: 2 } } = options
    return this.processes.pushing({ ...this.#told(name), atOnce, pauseMs, most, args })
  }

  /** One more that does whatever a user may do. */
  mixing(): Process {
    return this.processes.mixing({ ...this.#told(undefined), atOnce: 8 })
  }

  /** What was noted so far. */
  entries(what?: string): readonly Entry[] {
    const all = this.#log.entries()
    return what === undefined ? all : all.filter((entry) => entry.what === what)
  }

  /** Settles when the condition holds of what was noted. */
  async until(condition: (entries: readonly Entry[]) => boolean): Promise<void> {
    while (!condition(this.entries())) await sleep(systemClock, 20)
  }

  /** Settles when all that were started are connected. */
  ready(): Promise<void> {
    return this.until((entries) => {
      const ready = new Set(entries.filter(({ what }) => what === 'ready').map(({ pid }) => pid))
      return this.processes.pids.every((pid) => ready.has(pid))
    })
  }

  /** Settles when so many more were noted. */
  async more(what: string, count: number): Promise<void> {
    const before = this.entries(what).length
    await this.until(
      (entries) => entries.filter((entry) => entry.what === what).length >= before + count,
    )
  }

  /** Lets all pushes end and all tasks be done, stops everybody, and judges. */
  async end(t: TestContext, pushing: readonly Process[]): Promise<Verdict> {
    const { processes } = this
    // Before that nothing would catch the signal.
    await this.ready()
    const pushed = await processes.stop(pushing)
    await this.drained([2])
    const ended = [...pushed, ...(await processes.stop())]
    assert.ok(
      ended.every((code) => code === 0),
      `processes ended with ${ended.join(', ')}:\n${processes.output}`,
    )
    assert.equal(processes.output, '')
    const verdict = await judge(this.#server, this.schema, this.entries())
    t.diagnostic(JSON.stringify(verdict))
    return verdict
  }

  /** Settles when every task has one of these statuses, as they are stored. */
  async drained(statuses: readonly number[]): Promise<void> {
    const sql = `SELECT count(*)::int AS open FROM "${this.schema}".task WHERE status <> ALL($1)`
    while ((await this.#server.query(sql, [statuses]))[0]?.['open'] !== 0)
      await sleep(systemClock, 20)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.processes[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #told(name: string | undefined): Connection & { readonly log: string; readonly queue: string } {
    const url = new URL(this.#server.url)
    if (name !== undefined) url.searchParams.set('application_name', name)
    return { ...this.#connection, url: url.href, log: this.#log.path, queue: QUEUE }
  }
}
