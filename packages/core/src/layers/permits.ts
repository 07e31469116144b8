import { wholeNumber } from '../internal/validate.ts'
import { Turns } from './turns.ts'

/** A number of permits that several workers share. */
export class Permits extends Turns {
  #limit: number
  #taken = 0

  constructor(limit: number) {
    super()
    this.#limit = checked(limit)
  }

  get limit(): number {
    return this.#limit
  }

  set limit(limit: number) {
    this.#limit = checked(limit)
    this.distribute()
  }

  get taken(): number {
    return this.#taken
  }

  release(): void {
    this.#taken -= 1
    this.distribute()
  }

  protected override available(): number {
    return this.#limit - this.#taken
  }

  protected override use(): void {
    this.#taken += 1
  }
}

function checked(limit: number): number {
  return wholeNumber('concurrency', limit, { min: 1, max: 1_000_000 })
}
