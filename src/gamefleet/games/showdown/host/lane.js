// One battle: feeds policies of this process, tells policies outside what their player sees, and keeps what is asked for.
'use strict';

const CHANNELS = [-1, 0, 1, 2];
const TRUTH = -1, SPECTATOR = 0;
const SIDES = ['p1', 'p2'];

class Lane {
  /**
   * @param parts.simulator the npm package with its `extractChannelMessages`
   * @param parts.format format id
   * @param parts.seed of the simulator, four numbers
   * @param parts.players two of {name, team, rating, policy}; policy null: its choices come from outside
   * @param parts.keeps {log, truth}: which channels are kept for the end
   * @param parts.showsTeams both teams are written into the log, as with open team sheets
   * @param parts.maxTurns a battle that lasts longer is a tie
   * @param parts.tell (event) => void, gets what outside policies are to know
   */
  constructor(parts) {
    Object.assign(this, parts);
    this.kept = { log: [], truth: [] };
    this.fresh = [[], []];
    this.askedOf = [null, null];
    this.errors = [0, 0];
    this.isTold = false;
    const { Battle } = this.simulator, isRated = this.players.some(({ rating }) => rating);
    const send = (type, data) => this._hear(type, data);
    this.battle = new Battle({ formatid: this.format, seed: this.seed, rated: isRated, send });
    this.players.forEach(({ name, team, rating }, side) => {
      this.battle.setPlayer(SIDES[side], { name, team, rating: rating || undefined });
    });
    // The order of a team changes as soon as somebody chooses.
    this.sheets = this.showsTeams ? this.battle.sides.map((side) => this._sheet(side)) : [];
    this._goOn();
  }

  get isOver() {
    return this.battle.ended;
  }

  /** A choice from outside; what follows is told. */
  choose(side, choice) {
    if (this.isOver) return;
    this.askedOf[side] = null;
    if (!this._submit(side, choice)) this.tell({ kind: 'refused', side, choice, reason: this._reason(side) });
    this._goOn();
  }

  forfeit(side) {
    if (this.isOver) return;
    this.battle.add('-message', `${this.players[side].name} forfeited.`);
    this.battle.lose(this.battle.sides[side]);
    this._goOn();
  }

  /** What a policy of this process would choose for an outside side that is asked now; empty where nobody asks. */
  advise(side, policy) {
    if (this.isOver || !this._isAsked(side)) return '';
    return policy(this.battle, this.battle.sides[side], this.battle.sides[side].activeRequest);
  }

  /** Both kept channels, the choices, and who won. */
  result() {
    const { battle, players } = this;
    const winner = players.findIndex(({ name }) => name === battle.winner);
    return {
      format: this.format, seed: this.seed, winner, turns: battle.turn, errors: this.errors,
      players: players.map(({ name, rating, grade }) => ({ name, rating: rating || null, grade: grade || null })),
      log: this.keeps.log ? this._text(this.kept.log) : null,
      truth: this.keeps.truth ? this._text(this.kept.truth) : null,
      inputLog: this.keeps.inputs ? battle.inputLog.join('\n') : null,
    };
  }

  /** A channel as one text: without times, so that equal battles are equal texts; with team sheets before the start. */
  _text(lines) {
    const timeless = lines.filter((line) => !line.startsWith('|t:|'));
    const start = timeless.indexOf('|start');
    if (start >= 0) timeless.splice(start, 0, ...this.sheets);
    return timeless.join('\n');
  }

  /** One team as the simulator writes open team sheets: without nature, effort and individual values. */
  _sheet(side) {
    const team = side.pokemon.map(({ set, gender }) => ({
      name: '', species: set.species, item: set.item, ability: set.ability, moves: set.moves, nature: '', gender: gender || 'N',
      evs: null, ivs: null, level: set.level, hpType: set.hpType, teraType: this.battle.gen === 9 ? set.teraType : undefined,
    }));
    return `|showteam|${side.id}|${this.simulator.Teams.pack(team)}`;
  }

  _submit(side, choice) {
    const { battle } = this, place = battle.sides[side];
    if (battle.choose(place.id, choice)) return true;
    // "Unavailable" is news that the request could not tell (a hidden trap); only "Invalid" is the chooser's fault.
    if (!this._reason(side).startsWith('[Unavailable')) this.errors[side]++;
    return false;
  }

  _reason(side) {
    return this.lastError && this.lastError.side === side ? this.lastError.text : '';
  }

  /** Let policies of this process choose until one outside has to, or the battle is over. */
  _goOn() {
    const { battle } = this;
    battle.sendUpdates();
    let moved = true;
    while (moved && !battle.ended) {
      moved = false;
      if (battle.turn > this.maxTurns) battle.tie();
      for (let side = 0; side < 2 && !battle.ended; side++) {
        if (!this.players[side].policy || !this._isAsked(side)) continue;
        this._answer(side);
        moved = true;
      }
      battle.sendUpdates();
    }
    battle.sendUpdates();
    this._report();
  }

  _isAsked(side) {
    const place = this.battle.sides[side], request = place.activeRequest;
    return Boolean(request && !request.wait && !place.isChoiceDone());
  }

  _answer(side) {
    const place = this.battle.sides[side];
    const choice = this.players[side].policy(this.battle, place, place.activeRequest);
    if (this._submit(side, choice)) return;
    // After an "unavailable" the request is another one; a second refusal is left to the simulator.
    const again = this.players[side].policy(this.battle, place, place.activeRequest);
    if (!this._submit(side, again)) this._submit(side, 'default');
  }

  _report() {
    for (let side = 0; side < 2; side++) {
      if (this.players[side].policy) continue;
      const lines = this.fresh[side], active = this.battle.sides[side].activeRequest;
      const isAsked = !this.isOver && this._isAsked(side) && this.askedOf[side] !== active;
      if (!lines.length && !isAsked) continue;
      this.fresh[side] = [];
      if (isAsked) this.askedOf[side] = active;
      this.tell({ kind: 'news', side, lines, request: isAsked ? active : null });
    }
    if (this.isOver && !this.isTold) {
      this.isTold = true;
      this.tell({ kind: 'end', ...this.result() });
    }
  }

  _hear(type, data) {
    if (type === 'update') this._hearUpdate(Array.isArray(data) ? data : data.split('\n'));
    if (type !== 'sideupdate') return;
    const text = Array.isArray(data) ? data.join('\n') : data;
    const end = text.indexOf('\n'), side = text.slice(0, end) === 'p1' ? 0 : 1;
    if (text.startsWith('|error|', end + 1)) this.lastError = { side, text: text.slice(end + 8) };
  }

  _hearUpdate(lines) {
    const needs = [];
    if (this.keeps.truth) needs.push(TRUTH);
    if (this.keeps.log) needs.push(SPECTATOR);
    for (let side = 0; side < 2; side++) if (!this.players[side].policy) needs.push(side + 1);
    if (!needs.length) return;
    const channels = this.simulator.extractChannelMessages(lines.join('\n'), CHANNELS.filter((c) => needs.includes(c)));
    if (this.keeps.truth) this.kept.truth.push(...channels[TRUTH]);
    if (this.keeps.log) this.kept.log.push(...channels[SPECTATOR]);
    for (let side = 0; side < 2; side++) if (!this.players[side].policy) this.fresh[side].push(...channels[side + 1]);
  }
}

module.exports = { Lane };
