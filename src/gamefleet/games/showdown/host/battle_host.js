// Battles in one process: a JSON array of commands per line in, a JSON array of answers per line out.
//
//   node battle_host.js FOLDER_OF_THE_NPM_PACKAGE
//
// Commands:
//   {do: "hello"}                                        -> {kind: "hello", version, formats}
//   {do: "team", format, seed}                           -> {kind: "team", team}
//   {do: "open", lane, format, seed, players, ...}       -> news of outside players, or the end
//   {do: "choose", lane, side, choice}                   -> news of outside players, or the end
//   {do: "forfeit", lane, side}                          -> the end
//   {do: "advise", lane, side, grade}                    -> {kind: "advice", choice}, of a policy of this process
//   {do: "close", lane}
//   {do: "play", format, seed, players, keeps, ...}      -> the end, of a battle of inside policies
//   {do: "bare", format, seed, count}                    -> {kind: "bare", ...}: the simulator alone, to compare with
// Every answer has the number of its command as `for`. A command that fails answers {kind: "error", message}.
'use strict';

const path = require('path');
const readline = require('readline');

const { simulatorSeed, dice } = require('./dice.js');
const { Teams } = require('./teams.js');
const { Lane } = require('./lane.js');
const { makePolicy } = require('./policies.js');
const { chooseRandom } = require('./choices.js');

const MOST_TURNS = 1000;

class Host {
  constructor(folder) {
    const { extractChannelMessages } = require(path.join(folder, 'dist', 'sim', 'battle.js'));
    this.version = require(path.join(folder, 'package.json')).version;
    this.simulator = { ...require(folder), extractChannelMessages };
    this.teams = new Teams(this.simulator);
    this.lanes = new Map();
  }

  /** All answers to a line of commands, in order. */
  answer(commands) {
    const answers = [];
    commands.forEach((command, number) => {
      const tell = (event) => answers.push({ for: number, ...event });
      try {
        this._carryOut(command, tell);
      } catch (error) {
        tell({ kind: 'error', message: error.message, stack: error.stack });
      }
    });
    return answers;
  }

  _carryOut(command, tell) {
    if (command.do === 'open') return this._open(command, tell);
    if (command.do === 'play') return void new Lane({ ...this._parts(command, tell) });
    if (command.do === 'team') return tell({ kind: 'team', team: this.teams.draw(command.format, command.seed) });
    if (command.do === 'bare') return tell(this._bare(command));
    if (command.do === 'hello') return tell({ kind: 'hello', version: this.version, formats: this._formats() });
    if (command.do === 'close') return void this.lanes.delete(command.lane);
    const lane = this.lanes.get(command.lane);
    if (!lane) throw new Error(`there is no open lane ${command.lane}`);
    lane.tell = (event) => tell({ lane: command.lane, ...event });
    if (command.do === 'choose') return lane.choose(command.side, command.choice);
    if (command.do === 'forfeit') return lane.forfeit(command.side);
    if (command.do === 'advise') return tell({ kind: 'advice', choice: lane.advise(command.side, makePolicy(command.grade, lane.seed)) });
    throw new Error(`there is no command ${command.do}`);
  }

  _open(command, tell) {
    const lane = new Lane(this._parts(command, (event) => tell({ lane: command.lane, ...event })));
    this.lanes.set(command.lane, lane);
    for (const [side, choice] of command.replay || []) lane.choose(side, choice);
  }

  _parts(command, tell) {
    const { format, seed, keeps = {} } = command;
    const players = command.players.map((player, side) => ({
      ...player,
      team: player.team || this.teams.draw(format, player.teamSeed === undefined ? `${seed} ${side}` : player.teamSeed),
      policy: player.grade ? makePolicy(player.grade, `${seed} ${side}`) : null,
    }));
    if (players[0].name === players[1].name) throw new Error('two players need two names');
    const rules = { maxTurns: command.maxTurns || MOST_TURNS, showsTeams: Boolean(command.showsTeams) };
    return { simulator: this.simulator, format, seed: simulatorSeed(seed), players, keeps, tell, ...rules };
  }

  /** Singles formats of the six-on-six kind that need no account of what a team may be. */
  _formats() {
    return this.simulator.Dex.formats.all().filter((format) => format.effectType === 'Format' && format.gameType === 'singles').map(({ id }) => id);
  }

  /** Random play without lanes, channels or logs. */
  _bare({ format, seed, count }) {
    const { Battle } = this.simulator;
    let turns = 0;
    const start = process.cpuUsage();
    for (let number = 0; number < count; number++) {
      const name = `${seed} ${number}`, draw = dice(name);
      const battle = new Battle({ formatid: format, seed: simulatorSeed(name), send: () => {} });
      for (const side of [0, 1]) battle.setPlayer(`p${side + 1}`, { name: `p${side + 1}`, team: this.teams.draw(format, `${name} ${side}`) });
      battle.sendUpdates();
      while (!battle.ended && battle.turn < MOST_TURNS) {
        for (const side of battle.sides) {
          if (battle.ended || !side.activeRequest || side.activeRequest.wait || side.isChoiceDone()) continue;
          if (!side.choose(chooseRandom(side.activeRequest, draw))) side.autoChoose();
          if (battle.allChoicesDone()) battle.commitChoices();
        }
        battle.sendUpdates();
      }
      turns += battle.turn;
    }
    const { user, system } = process.cpuUsage(start);
    return { kind: 'bare', turns, cpuSeconds: (user + system) / 1e6 };
  }
}

function main() {
  const host = new Host(path.resolve(process.argv[2]));
  const input = readline.createInterface({ input: process.stdin });
  input.on('line', (line) => {
    if (line.trim()) process.stdout.write(JSON.stringify(host.answer(JSON.parse(line))) + '\n');
  });
  input.on('close', () => process.exit(0));
}

main();
