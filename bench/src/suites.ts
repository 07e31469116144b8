import type { Contender } from './contender.ts'
import { memory } from './memory/contenders.ts'

/** Every suite by its name. */
export const suites: Readonly<Record<string, readonly Contender[]>> = { memory }
