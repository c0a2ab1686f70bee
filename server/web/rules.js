// What the service says of its rules and analyses, asked for once.
import { get } from './service.js';

const DEFAULTS = { 'vanishing-activation.rms': 1e-6, 'exploding-activation.rms': 1e3, 'vanishing-gradient.gradient_norm': 1e-6, 'exploding-gradient.gradient_norm': 1e3, 'learning-rate.ratio_low': 1e-6, 'learning-rate.ratio_high': 0.1 };
let known = { rules: [], analyses: [] };

/** Asks, unless that is done; returns the analyses. */
export async function load() {
  if (!known.rules.length) known = await get('/v1/rules');
  return known.analyses;
}

/** A rule by its name, or undefined. */
export const rule = (name) => known.rules.find((one) => one.name === name);

/** A threshold as the request set it, else the rule's default. */
export const threshold = (report, name, member) =>
  report.thresholds?.[name]?.[member] ?? rule(name)?.thresholds.find((one) => one.name === member)?.default ?? DEFAULTS[`${name}.${member}`];
