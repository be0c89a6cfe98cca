#include "models/pickle.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "models/archive.h"
#include "models/pickle_opcodes.h"
#include "tensor/error.h"

namespace signet::models {
namespace {

using Kind = PickleValue::Kind;
using namespace opcode;

// Some 150 MB of values; a state_dict has about 20 a tensor.
constexpr size_t kMaxValues = 1 << 20;
constexpr int kHighestProtocol = 5;

class Unpickler {
 public:
  Unpickler(std::string_view bytes, const std::function<bool(std::string_view)>& is_allowed,
            const std::string& source)
      : bytes_(bytes), is_allowed_(is_allowed), source_(source) {}

  Pickle read() {
    while (pickle_.root == kNoPickleId) step();
    pickle_.end = position_;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void refuse(const std::string& fault) const {
    fail("{}: the pickle is damaged at its byte {}: {}", source_, position_, fault);
  }

  // Arguments of opcodes.

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - position_) {
      refuse(fmt::format("{} bytes are wanted, {} are left", count, bytes_.size() - position_));
    }
    const std::string_view taken = bytes_.substr(position_, count);
    position_ += count;
    return taken;
  }

  template <class T>
  T take_number() {
    T number;
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }

  template <class Length>
  std::string_view take_counted() {
    return take(take_number<Length>());
  }

  std::string_view take_line() {
    const size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) refuse("a line does not end");
    const std::string_view line = take(end - position_);
    ++position_;
    return line;
  }

  /// The number a whole text spells.
  template <class T>
  T parse(std::string_view text) const {
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
      refuse(fmt::format("\"{}\" is not a number in range", printable(text)));
    }
    return number;
  }

  // Values and the stack.

  PickleId add(Kind kind) {
    if (pickle_.values.size() >= kMaxValues) fail("{}: a pickle of more than {} values", source_, kMaxValues);
    pickle_.values.emplace_back().kind = kind;
    return PickleId(pickle_.values.size() - 1);
  }

  void push(PickleId id) {
    if (stack_.size() >= kMaxValues)
      fail("{}: a pickle that stacks more than {} values", source_, kMaxValues);
    stack_.push_back(id);
  }

  void push_new(Kind kind) { push(add(kind)); }

  void push_integer(int64_t integer, Kind kind = Kind::kInt) {
    const PickleId id = add(kind);
    value(id).integer = integer;
    push(id);
  }

  void push_real(double real) {
    const PickleId id = add(Kind::kFloat);
    value(id).real = real;
    push(id);
  }

  void push_text(std::string_view text, Kind kind) {
    const PickleId id = add(kind);
    value(id).text = text;
    push(id);
  }

  void push_elements(Kind kind, std::vector<PickleId> elements) {
    const PickleId id = add(kind);
    value(id).elements = std::move(elements);
    push(id);
  }

  void push_object(PickleId callable, PickleId arguments) {
    if (value(callable).kind != Kind::kGlobal) refuse("something that is not a global is called");
    const PickleId id = add(Kind::kObject);
    value(id).callable = callable;
    value(id).elements = {arguments};
    push(id);
  }

  /// Little-endian two's complement of any length.
  void push_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) {
      push_text(digits, Kind::kBigInt);
      return;
    }
    const bool is_negative = !digits.empty() && (digits.back() & 0x80);
    int64_t number = is_negative ? -1 : 0;
    std::memcpy(&number, digits.data(), digits.size());
    push_integer(number);
  }

  PickleValue& value(PickleId id) { return pickle_.values[id]; }

  /// First stack position that opcodes may touch: what lies below the topmost mark is out of reach.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleId top() const {
    if (stack_.size() <= floor()) refuse("the stack is empty");
    return stack_.back();
  }

  PickleId pop() {
    const PickleId id = top();
    stack_.pop_back();
    return id;
  }

  std::vector<PickleId> pop_last(size_t count) {
    if (stack_.size() - floor() < count) refuse("the stack is empty");
    std::vector<PickleId> popped(stack_.end() - ptrdiff_t(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return popped;
  }

  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) refuse("a mark is missing");
    std::vector<PickleId> popped = pop_last(stack_.size() - marks_.back());
    marks_.pop_back();
    return popped;
  }

  // What opcodes do to containers.

  void extend(const std::vector<PickleId>& elements, Kind kind, const char* container) {
    PickleValue& target = value(top());
    if (target.kind != kind) refuse(fmt::format("elements are added to something that is not {}", container));
    target.elements.insert(target.elements.end(), elements.begin(), elements.end());
  }

  void set_items(const std::vector<PickleId>& items) {
    if (items.size() % 2 != 0) refuse("a key has no value");
    PickleValue& target = value(top());
    if (target.kind != Kind::kDict && target.kind != Kind::kObject) {
      refuse("items are assigned to something that is not a dict");
    }
    auto& assigned = target.kind == Kind::kDict ? target.elements : target.items;
    assigned.insert(assigned.end(), items.begin(), items.end());
  }

  void set_state() {
    const PickleId state = pop();
    PickleValue& target = value(top());
    if (target.kind != Kind::kObject) refuse("a state is given to something that is not an object");
    target.state = state;
  }

  // The memo.

  void put(uint64_t index) {
    memo_[index] = top();
    if (memo_.size() > kMaxValues)
      fail("{}: a pickle that memoizes more than {} values", source_, kMaxValues);
  }

  void get(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse(fmt::format("memo {} is empty", index));
    push(found->second);
  }

  // Globals.

  PickleId add_global(std::string_view module, std::string_view name) {
    std::string full_name = fmt::format("{}.{}", module, name);
    if (!is_allowed_(full_name)) {
      fail(
          "{}: refuses to run {}: a checkpoint may hold tensors and plain containers only; load it where it "
          "was made and save model.state_dict() instead",
          source_, printable(full_name));
    }
    const PickleId id = add(Kind::kGlobal);
    value(id).text = pickle_.names.emplace_back(std::move(full_name));
    return id;
  }

  PickleId take_global() {
    const std::string_view module = take_line();
    return add_global(module, take_line());
  }

  void push_stack_global() {
    const auto parts = pop_last(2);
    const PickleValue& module = value(parts[0]);
    const PickleValue& name = value(parts[1]);
    if (module.kind != Kind::kString || name.kind != Kind::kString) refuse("the name of a global is no text");
    push(add_global(module.text, name.text));
  }

  // Opcodes of protocol 0, whose arguments are lines of text.

  void push_text_integer() {
    const std::string_view line = take_line();
    if (line == "00" || line == "01") {
      push_integer(line == "01", Kind::kBool);
    } else {
      push_integer(parse<int64_t>(line));
    }
  }

  void push_text_long() {
    std::string_view line = take_line();
    if (line.ends_with('L')) line.remove_suffix(1);
    push_integer(parse<int64_t>(line));
  }

  void push_quoted_text() {
    const std::string_view line = take_line();
    const bool is_quoted =
        line.size() >= 2 && line.front() == line.back() && (line[0] == '\'' || line[0] == '"');
    if (!is_quoted) refuse("a text is not quoted");
    push_plain_text(line.substr(1, line.size() - 2));
  }

  void push_plain_text(std::string_view line) {
    if (line.find('\\') != std::string_view::npos) refuse("a text with escapes is not supported");
    push_text(line, Kind::kString);
  }

  void push_instance() {
    const PickleId callable = take_global();
    const PickleId arguments = add(Kind::kTuple);
    value(arguments).elements = pop_to_mark();
    push_object(callable, arguments);
  }

  void push_marked_object() {
    auto parts = pop_to_mark();
    if (parts.empty()) refuse("an object has no class");
    const PickleId arguments = add(Kind::kTuple);
    value(arguments).elements.assign(parts.begin() + 1, parts.end());
    push_object(parts.front(), arguments);
  }

  void push_reduced(size_t parts_wanted) {
    const auto parts = pop_last(parts_wanted);
    if (value(parts[1]).kind != Kind::kTuple) refuse("the arguments of a call are not a tuple");
    push_object(parts[0], parts[1]);
  }

  void push_big_endian_double() {
    uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
    push_real(std::bit_cast<double>(bits));
  }

  void check_protocol() {
    const int protocol = take_number<uint8_t>();
    if (protocol > kHighestProtocol) refuse(fmt::format("protocol {} is unknown", protocol));
  }

  void push_long4() {
    const auto count = take_number<int32_t>();
    if (count < 0) refuse("an integer has a negative length");
    push_long(take(uint64_t(count)));
  }

  void finish() {
    const PickleId root = pop();
    if (!stack_.empty() || !marks_.empty()) refuse("values are left over");
    pickle_.root = root;
  }

  void step() {
    const auto opcode = take_number<unsigned char>();
    switch (opcode) {
      case kProto:
        return check_protocol();
      case kFrame:
        return void(take_number<uint64_t>());
      case kStop:
        return finish();

      case kMark:
        return push_mark();
      case kPop:
        return pop_value_or_mark();
      case kPopMark:
        return void(pop_to_mark());
      case kDup:
        return push(top());

      case kNone:
        return push_new(Kind::kNone);
      case kNewTrue:
        return push_integer(1, Kind::kBool);
      case kNewFalse:
        return push_integer(0, Kind::kBool);
      case kInt:
        return push_text_integer();
      case kLong:
        return push_text_long();
      case kBinInt:
        return push_integer(take_number<int32_t>());
      case kBinInt1:
        return push_integer(take_number<uint8_t>());
      case kBinInt2:
        return push_integer(take_number<uint16_t>());
      case kLong1:
        return push_long(take_counted<uint8_t>());
      case kLong4:
        return push_long4();
      case kFloat:
        return push_real(parse<double>(take_line()));
      case kBinFloat:
        return push_big_endian_double();

      case kString:
        return push_quoted_text();
      case kUnicode:
        return push_plain_text(take_line());
      case kBinString:
      case kBinUnicode:
        return push_text(take_counted<uint32_t>(), Kind::kString);
      case kShortBinString:
      case kShortBinUnicode:
        return push_text(take_counted<uint8_t>(), Kind::kString);
      case kBinUnicode8:
        return push_text(take_counted<uint64_t>(), Kind::kString);
      case kBinBytes:
        return push_text(take_counted<uint32_t>(), Kind::kBytes);
      case kShortBinBytes:
        return push_text(take_counted<uint8_t>(), Kind::kBytes);
      case kBinBytes8:
      case kByteArray8:
        return push_text(take_counted<uint64_t>(), Kind::kBytes);

      case kEmptyTuple:
        return push_new(Kind::kTuple);
      case kTuple1:
        return push_elements(Kind::kTuple, pop_last(1));
      case kTuple2:
        return push_elements(Kind::kTuple, pop_last(2));
      case kTuple3:
        return push_elements(Kind::kTuple, pop_last(3));
      case kTuple:
        return push_elements(Kind::kTuple, pop_to_mark());
      case kEmptyList:
        return push_new(Kind::kList);
      case kList:
        return push_elements(Kind::kList, pop_to_mark());
      case kAppend:
        return extend(pop_last(1), Kind::kList, "a list");
      case kAppends:
        return extend(pop_to_mark(), Kind::kList, "a list");
      case kEmptySet:
        return push_new(Kind::kSet);
      case kFrozenSet:
        return push_elements(Kind::kSet, pop_to_mark());
      case kAddItems:
        return extend(pop_to_mark(), Kind::kSet, "a set");
      case kEmptyDict:
        return push_new(Kind::kDict);
      case kDict:
        return push_dict();
      case kSetItem:
        return set_items(pop_last(2));
      case kSetItems:
        return set_items(pop_to_mark());

      case kPut:
        return put(parse<uint64_t>(take_line()));
      case kBinPut:
        return put(take_number<uint8_t>());
      case kLongBinPut:
        return put(take_number<uint32_t>());
      case kMemoize:
        return put(memo_.size());
      case kGet:
        return get(parse<uint64_t>(take_line()));
      case kBinGet:
        return get(take_number<uint8_t>());
      case kLongBinGet:
        return get(take_number<uint32_t>());

      case kGlobal:
        return push(take_global());
      case kStackGlobal:
        return push_stack_global();
      case kReduce:
      case kNewObj:
        return push_reduced(2);
      case kNewObjEx:
        return push_reduced(3);
      case kInst:
        return push_instance();
      case kObj:
        return push_marked_object();
      case kBuild:
        return set_state();
      case kBinPersid:
        return push_elements(Kind::kPersistent, pop_last(1));
      case kPersid:
        return push_text_persistent();
      default:
        refuse(fmt::format("opcode {:#04x} is unknown", opcode));
    }
  }

  void push_mark() {
    if (marks_.size() >= kMaxValues) fail("{}: a pickle with more than {} open marks", source_, kMaxValues);
    marks_.push_back(stack_.size());
  }

  void pop_value_or_mark() {
    if (!marks_.empty() && stack_.size() == marks_.back()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }

  void push_dict() {
    auto items = pop_to_mark();
    if (items.size() % 2 != 0) refuse("a key has no value");
    push_elements(Kind::kDict, std::move(items));
  }

  void push_text_persistent() {
    const PickleId id = add(Kind::kString);
    value(id).text = take_line();
    push_elements(Kind::kPersistent, {id});
  }

  std::string_view bytes_;
  const std::function<bool(std::string_view)>& is_allowed_;
  const std::string& source_;
  size_t position_ = 0;
  Pickle pickle_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleId> memo_;
};

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::function<bool(std::string_view)>& is_allowed,
                   const std::string& source) {
  return Unpickler(bytes, is_allowed, source).read();
}

}  // namespace signet::models
