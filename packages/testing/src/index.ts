export { type Seeded, seeded, seededRandom } from './seeded.ts'
export { type SimulatedClock, simulatedClock, simulationStartMs } from './simulated-clock.ts'
export { readVectors, skipWithoutVectors, vectorsFolder } from './vectors.ts'
